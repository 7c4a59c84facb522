package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

const (
	// crewSize is how many workers a crew has, and crewKills how often one of them is killed at most.
	crewSize, crewKills = 3, 12
	// killChance is that of a kill at a command to the switch, and killWithin how long after it that comes at most.
	killChance, killWithin = 0.05, 60 * time.Millisecond
)

// crew is some workers, of which one is killed now and then, at random, and replaced.
type crew struct {
	p     *samplePBX
	place chan int // those that are to be filled again

	mu      sync.Mutex
	workers [crewSize]*pbxtest.Process
	kills   []time.Time
	ended   bool
}

// newCrew starts the workers. The commands that they send to the switch are the clock by which they are killed: it
// stands while they have nothing to do.
func (p *samplePBX) newCrew(t *testing.T) *crew {
	t.Helper()
	c := &crew{p: p, place: make(chan int, crewKills)}
	for i := range c.workers {
		c.workers[i] = p.start(t, "worker")
	}
	t.Cleanup(p.sw.OnCommand("sofia", func() {
		if rand.Float64() < killChance {
			time.AfterFunc(rand.N(killWithin), c.kill)
		}
	}))
	return c
}

// kill kills a worker: every other time the one whose job is the oldest that runs.
func (c *crew) kill() {
	victim, working := rand.IntN(crewSize), ""
	if rand.IntN(2) == 0 {
		// Without an answer any of them will do.
		_ = c.p.pool.QueryRow(context.Background(), "select worker from trunkline.jobs where state = 'running' and parked_at is null order by turn").Scan(&working)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.kills) == crewKills {
		return
	}
	for i, w := range c.workers {
		if strings.HasSuffix(working, fmt.Sprintf(":%d", w.Process.Pid)) {
			victim = i
		}
	}
	c.workers[victim].Kill()
	c.kills = append(c.kills, time.Now())
	c.place <- victim
}

// replaceUntil starts another worker in the place of each that is killed, until done; from then on none is.
func (c *crew) replaceUntil(t *testing.T, done <-chan struct{}) {
	t.Helper()
	for {
		select {
		case i := <-c.place:
			another := c.p.start(t, "worker")
			c.mu.Lock()
			c.workers[i] = another
			c.mu.Unlock()
		case <-done:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.ended = true
			return
		}
	}
}

// report says how often a worker was killed and a job was lost with it, and how soon one started after the end of
// the one before it if none was killed in between. No assertion: the machine may be slow.
func (c *crew) report(t *testing.T, jobs []tasks.Job) {
	t.Helper()
	attempts := 0
	var pauses []time.Duration
	for i, job := range jobs {
		attempts += job.Attempt
		if i > 0 && !slices.ContainsFunc(c.kills, func(kill time.Time) bool {
			return kill.After(*jobs[i-1].StartedAt) && kill.Before(*job.StartedAt)
		}) {
			before := *jobs[i-1].FinishedAt
			if job.CreatedAt.After(before) {
				before = job.CreatedAt
			}
			pauses = append(pauses, job.StartedAt.Sub(before))
		}
	}
	took := jobs[len(jobs)-1].FinishedAt.Sub(jobs[0].CreatedAt)
	t.Logf("%d jobs in %v: %d kills, %d attempts lost", len(jobs), took, len(c.kills), attempts-len(jobs))
	if slices.Sort(pauses); len(pauses) > 0 {
		t.Logf("%d started undisturbed: half of them within %v of the end of the one before, all within %v", len(pauses), pauses[len(pauses)/2], pauses[len(pauses)-1])
	}
}
