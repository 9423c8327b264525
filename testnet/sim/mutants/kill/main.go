// Command kill applies the deliberate bugs of package mutants one by one and shows which test finds
// each. It is run by "make mutants".
package main

import (
	"context"
	"os"
	"os/signal"

	"byzd/testnet/sim/mutants"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := mutants.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // the command's end
}
