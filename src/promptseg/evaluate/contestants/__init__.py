"""Who takes part: our models, classical methods, and peers in processes of their own."""
