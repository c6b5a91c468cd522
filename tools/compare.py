"""Compare finished runs: error rates or accuracies with bootstrap intervals, cost, and speed against input length."""

from summarymixing.commands.compare import main

if __name__ == "__main__":
    main()
