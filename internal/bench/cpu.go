package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// clockTicks is the unit of the times in /proc/PID/stat: 1/100 s on every Linux that Go runs on.
	clockTicks = 100
	// cpuTries is how often Postgres's processes are added up again because one of them ended meanwhile.
	cpuTries = 100
)

// used is what a process has used of the processors so far, in seconds.
type used struct {
	parent   int
	own      float64
	children float64 // of those that have ended and were waited for, with their own
}

func usedBy(pid int) (u used, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The program's name, in brackets, may hold anything; the fields are counted behind it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var errs [5]error
	var ticks [4]float64 // user and system time, its own and its children's
	for i := range ticks {
		ticks[i], errs[i] = strconv.ParseFloat(fields[11+i], 64)
	}
	u.parent, errs[4] = strconv.Atoi(fields[1])
	u.own, u.children = (ticks[0]+ticks[1])/clockTicks, (ticks[2]+ticks[3])/clockTicks
	return u, errors.Join(errs[:]...)
}

// cpuSeconds is what a process has used of the processors so far, without its children.
func cpuSeconds(pid int) (float64, error) {
	u, err := usedBy(pid)
	return u.own, err
}

// postmasterOf is the process whose children are the connection's backend and all others of Postgres.
func postmasterOf(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	var backend int
	if err := pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return 0, err
	}
	u, err := usedBy(backend)
	return u.parent, err
}

// postgresCPU is what Postgres's backends, those that have ended too, and its own processes have used so far, in seconds.
func (b *bench) postgresCPU() (float64, error) {
	for range cpuTries {
		before, err := usedBy(b.postmaster)
		if err != nil {
			return 0, err
		}
		living, err := cpuOfChildren(b.postmaster)
		if err != nil {
			return 0, err
		}
		after, err := usedBy(b.postmaster)
		if err != nil {
			return 0, err
		}
		if after.children == before.children { // else one that ended meanwhile counts twice, or not at all
			return after.children + living, nil
		}
	}
	return 0, errors.New("a process of Postgres ended each time that they were added up")
}

// cpuOfChildren is what the process's living children have used.
func cpuOfChildren(parent int) (seconds float64, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // not a process
		}
		u, err := usedBy(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		if u.parent == parent {
			seconds += u.own
		}
	}
	return seconds, nil
}
