package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// ticker tells how far a search is: on a terminal in one line that is drawn again and again, in a
// file by a line now and then. It says nothing of a search that is over at once.
type ticker struct {
	w        io.Writer
	terminal bool
	last     time.Time
	drawn    bool
}

// tickerEvery is the time between two lines in a file.
const tickerEvery = 30 * time.Second

func newTicker(w io.Writer) *ticker {
	t := &ticker{w: w, last: time.Now()}
	if f, ok := w.(*os.File); ok {
		t.terminal = term.IsTerminal(int(f.Fd()))
	}
	return t
}

func (t *ticker) show(format string, args ...any) {
	every := tickerEvery
	if t.terminal {
		every = progressAfter
		if t.drawn {
			every = progressEvery
		}
	}
	if now := time.Now(); now.Sub(t.last) >= every {
		t.last, t.drawn = now, true
		line := fmt.Sprintf(format, args...)
		if t.terminal {
			_, _ = fmt.Fprint(t.w, "\r\x1b[K"+line)
			return
		}
		_, _ = fmt.Fprintln(t.w, "byzd: "+line)
	}
}

// clear takes the line away.
func (t *ticker) clear() {
	if t.terminal && t.drawn {
		_, _ = fmt.Fprint(t.w, "\r\x1b[K")
	}
}

func perSecond(count int, d time.Duration) float64 {
	return float64(count) / max(d.Seconds(), 1e-9)
}
