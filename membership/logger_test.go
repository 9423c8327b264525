package membership

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"
	"github.com/sirupsen/logrus"
)

func TestLogAdapter_KeepsTheLevel(t *testing.T) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetLevel(logrus.DebugLevel)
	log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true, DisableColors: true})
	counts := &tally{}
	a := newLogAdapter(log, counts)
	for line, want := range map[string]string{
		"[DEBUG] memberlist: d\n":       "level=debug msg=d\n",
		"[INFO] memberlist: i\n":        "level=info msg=i\n",
		"[WARN] memberlist: w\n":        "level=warning msg=w\n",
		"[ERR] memberlist: e\n":         "level=warning msg=e\n",
		"[ERR] Failed to do a thing\n":  "level=warning msg=\"Failed to do a thing\"\n",
		"Err: Could not do a thing: x ": "level=warning msg=\"Err: Could not do a thing: x\"\n",
	} {
		out.Reset()
		if n, err := a.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("%q: wrote %d, %v", line, n, err)
		}
		if out.String() != want {
			t.Errorf("%q: got %q, want %q", line, out.String(), want)
		}
	}
	out.Reset()
	own := &question{}
	stranger := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}
	for _, line := range []string{
		"[DEBUG] memberlist: Stream connection " + memberlist.LogConn(own),
		"[DEBUG] memberlist: Stream connection " + memberlist.LogAddress(stranger),
	} {
		if _, err := a.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	want := "level=debug msg=\"Stream connection from=10.0.0.1:5\"\n"
	if out.String() != want {
		t.Errorf("got %q, want only what is not our own doing: %q", out.String(), want)
	}
	out.Reset()
	for range 10 * warnBurst {
		if _, err := a.Write([]byte("[WARN] memberlist: again\n")); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines > warnBurst {
		t.Errorf("%d lines of %d went through", lines, 10*warnBurst)
	}
	out.Reset()
	for range 10 * talkBurst {
		if _, err := a.Write([]byte("[DEBUG] memberlist: again\n")); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines > 2*talkBurst {
		t.Errorf("%d lines of %d went through", lines, 10*talkBurst)
	}
	out.Reset()
	a.closed.Store(true)
	if _, err := a.Write([]byte("[WARN] memberlist: late\n")); err != nil || out.Len() > 0 {
		t.Errorf("a closed log says %q, %v", out.String(), err)
	}
	if counts.snapshot()["log_suppressed"] == 0 {
		t.Error("suppressed lines were not counted")
	}
}
