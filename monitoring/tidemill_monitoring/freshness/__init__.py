"""Does the online store keep up with the events, and did the answers read fresh rows?"""
