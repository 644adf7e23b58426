"""A servable: what a drop describes, with its learner and its progressive metrics; and the registry of servables."""
