"""Error rate against compute: recognisers of several costs at each of their settings, others beside them."""

from summarymixing.commands.compute_curve import main

if __name__ == "__main__":
    main()
