package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"trunkline/internal/config"
	"trunkline/internal/pbx"
	"trunkline/tasks"
)

// unconnected is a worker that has neither a database nor a Redis.
func unconnected() *Worker {
	return New(Options{
		Settings: config.Settings{ShutdownTimeout: time.Minute},
		PBX:      &pbx.PBX{},
		Tasks:    &tasks.Client{},
		Log:      slog.New(slog.DiscardHandler),
	})
}

// asynq hands out what it had fetched when it was told to stop. The race detector sees whether counting
// such a task and waiting for the last one get in each other's way.
func TestNoTaskIsTakenOnceTheWorkerStops(t *testing.T) {
	t.Parallel()
	w := unconnected()
	unreadable := asynq.NewTask("provision", []byte("{}")) // dropped as soon as it is taken
	ctx, cancel := context.WithCancel(t.Context())
	var handed sync.WaitGroup
	for range 100 {
		handed.Go(func() {
			if err := w.handle(ctx, unreadable); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	w.drain()
	cancel()
	handed.Wait()
	if err := w.handle(ctx, unreadable); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: got %v, want the task left for asynq to put back", err)
	}
}

func TestEveryKindIsRun(t *testing.T) {
	t.Parallel()
	w := unconnected()
	for _, kind := range tasks.Kinds {
		if w.handlers[kind] == nil {
			t.Errorf("no worker runs jobs of kind %s", kind)
		}
	}
}
