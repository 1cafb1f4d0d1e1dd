"""What `feast apply` reads here: the catalog of the home beside this checkout."""

from pathlib import Path

from tidemill.home import Home
from tidemill_features.catalog import load_catalog
from tidemill_features.rows import rows_folder
from tidemill_features.views import feast_objects

_home = Home(Path(__file__).parent.parent / ".tidemill")
_catalog = load_catalog(_home)
user, feature_rows, feature_push, user_activity, user_activity_service = feast_objects(
    _catalog, rows_folder(_home, _catalog) / "*.parquet"
)
