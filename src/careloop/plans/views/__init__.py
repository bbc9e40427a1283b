"""The plan pages: what runs and for whom (`following`), and how plans are written, tried and published (`designing`)."""
