"""Is there enough, and is it sound? Answered before anything long is trained."""
