package worker

import "sync"

// running counts the tasks that this worker has taken. Once it was stopped it takes no more: asynq may hand
// one out while the worker waits for the last, and a WaitGroup alone allows no Add beside its Wait.
type running struct {
	mu      sync.Mutex
	stopped bool
	tasks   sync.WaitGroup
}

// take reports whether the worker may take one more task; done has to be called after it.
func (r *running) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.tasks.Add(1)
	}
	return !r.stopped
}

func (r *running) done() { r.tasks.Done() }

// stop has take refuse from now on, and returns a channel that is closed once all taken tasks are done.
func (r *running) stop() <-chan struct{} {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		r.tasks.Wait()
		close(idle)
	}()
	return idle
}
