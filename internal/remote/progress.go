package remote

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"trunkline/internal/client"
)

// progress shows how far a job has come: a bar on a terminal, else a line now and then.
type progress interface {
	show(client.Job)
	end()
}

func (p *Program) progress() progress {
	if p.live {
		return &bar{to: p.err}
	}
	return &lines{to: p.err, now: time.Now}
}

// bar draws over one line of a terminal.
type bar struct {
	to    io.Writer
	drawn *progressbar.ProgressBar
	total int64
}

const barWidth = 30

func (b *bar) show(job client.Job) {
	if b.drawn == nil || b.total != job.Progress.Total {
		b.total = job.Progress.Total
		most := b.total
		if most == 0 {
			most = -1 // not known: it turns
		}
		b.end()
		b.drawn = progressbar.NewOptions64(most,
			progressbar.OptionSetWriter(b.to),
			progressbar.OptionSetWidth(barWidth),
			progressbar.OptionShowCount(),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(50*time.Millisecond),
		)
	}
	b.drawn.Describe(described(job))
	// What cannot be drawn is no reason to follow the job no further.
	_ = b.drawn.Set64(min(job.Progress.Done, max(b.total, job.Progress.Done)))
}

// end takes the bar away for good: one that turns is drawn by a goroutine of its own until it is finished.
func (b *bar) end() {
	if b.drawn != nil {
		_ = b.drawn.Finish()
		b.drawn = nil
	}
}

// described is what there is to say of a job beside its numbers.
func described(job client.Job) string {
	text := job.State
	if job.CancelRequested && !job.Done {
		text += ", asked to stop"
	}
	if job.Progress.Failed > 0 {
		text += fmt.Sprintf(", %d failed", job.Progress.Failed)
	}
	if job.Progress.Note != "" {
		text += ": " + job.Progress.Note
	}
	return visible(text)
}

// lineInterval is how often a line is written while nothing but the numbers changes.
const lineInterval = 5 * time.Second

// lines writes a line when what is said of the job changes, and while it comes on now and then.
type lines struct {
	to    io.Writer
	now   func() time.Time
	said  string
	at    time.Time
	shown client.Progress
}

func (l *lines) show(job client.Job) {
	text := described(job)
	if text == l.said && (job.Progress == l.shown || l.now().Sub(l.at) < lineInterval) {
		return
	}
	l.said, l.at, l.shown = text, l.now(), job.Progress
	if far := howFar(job.Progress); far != "" {
		text += ", " + far
	}
	fmt.Fprintln(l.to, text)
}

func (l *lines) end() {}

// howFar is a job's progress in words, "" if there is none.
func howFar(p client.Progress) string {
	unit := visible(p.Unit)
	if unit != "" {
		unit = " " + unit
	}
	text := ""
	switch {
	case p.Total > 0:
		text = fmt.Sprintf("%d of %d%s", p.Done, p.Total, unit)
	case p.Done > 0:
		text = fmt.Sprintf("%d%s", p.Done, unit)
	}
	if p.Rate > 0 {
		text += fmt.Sprintf(", %d a second", p.Rate)
	}
	if p.SecondsLeft > 0 {
		text += ", " + (time.Duration(p.SecondsLeft) * time.Second).String() + " left"
	}
	return text
}
