package commandline

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// UntilStopped is a context that ends when the program is asked to stop: by Ctrl-C, by its supervisor, or since
// its terminal was closed, unless somebody has it ignore that (nohup).
func UntilStopped() (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(context.Background(), signals...)
}
