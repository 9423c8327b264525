package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Main(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	leave(code)
}

// leave ends the process at once: here, and where a simulation cannot be stopped otherwise.
func leave(code int) { os.Exit(code) }
