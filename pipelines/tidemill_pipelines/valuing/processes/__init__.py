"""Purchase processes of individual customers, each with its heterogeneity, and their fit."""
