package membership

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"byzd/crypto"
)

// TestStranger_KeepsNobodyOut has somebody without a key hold as many silent streams as it can get,
// all the time. A member joins all the same.
func TestStranger_KeepsNobodyOut(t *testing.T) {
	inEther(t, 3, func(c *cluster) {
		c.startAll(0, 1)
		wait(c.t, 20*time.Second, "start", c.sees([]int{0, 1}, []int{0, 1}, Alive))
		a := newAttacker(c.t, c, 2)
		stop, stopped := make(chan struct{}), make(chan []net.Conn)
		go func() {
			ticker := time.NewTicker(20 * time.Millisecond) // 50 a second: places for 640 ms
			defer ticker.Stop()
			var held []net.Conn
			for {
				select {
				case <-ticker.C:
					held = append(held, a.call(c.nodes[0]))
				case <-stop:
					stopped <- held
					return
				}
			}
		}()
		wait(c.t, 20*time.Second, "places run out", func() error {
			if c.nodes[0].Counters()["streams_full"] == 0 {
				return ErrRefused
			}
			return nil
		})
		c.start(2, c.nodes[0].Addr())
		all := upTo(3)
		wait(c.t, 20*time.Second, "a member joins", c.sees(all, all, Alive))
		holds(c.t, 10*time.Second, c.sees(all, all, Alive))
		close(stop)
		for _, conn := range <-stopped {
			conn.Close()
		}
	})
}

// TestStranger_OfAnotherClusterIsNamed has a node with another genesis look for its members here:
// the logs of both name both clusters, and neither takes the other for a member.
func TestStranger_OfAnotherClusterIsNamed(t *testing.T) {
	inEther(t, 2, func(c *cluster) {
		var said [2]*strings.Builder
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			said[i] = listening(cfg)
			if i == 1 {
				cfg.Cluster = crypto.Digest{9, 9}
			}
		}
		c.startAll(0, 1)
		elapse(30 * time.Second)
		for i := range c.nodes {
			if s := c.nodes[i].View()[1-i].State; s != Unknown {
				c.t.Errorf("node %d holds node %d for %v", i, 1-i, s)
			}
			if c.nodes[i].Counters()["foreign_cluster"] == 0 {
				c.t.Errorf("node %d has not counted it:%s", i, counted(c.nodes[i]))
			}
			c.kill(i)
		}
		for i := range said {
			for _, want := range []string{"another cluster", "01020300", "09090000"} {
				if !strings.Contains(said[i].String(), want) {
					c.t.Errorf("node %d does not say %q: %s", i, want, said[i])
				}
			}
			if lines := strings.Count(said[i].String(), "\n"); lines > 4 {
				c.t.Errorf("node %d says it in %d lines", i, lines)
			}
		}
	})
}

// TestContact_NobodyAnswers wants it to be said, once a minute, with what was tried.
func TestContact_NobodyAnswers(t *testing.T) {
	inEther(t, 2, func(c *cluster) {
		var said *strings.Builder
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			said = listening(cfg)
			cfg.Log.(*logrus.Logger).SetLevel(logrus.WarnLevel)
		}
		c.start(0, "10.9.9.9:7946")
		elapse(4*time.Minute + 30*time.Second)
		c.kill(0)
		if got := strings.Count(said.String(), "no member answers"); got < 4 || got > 5 {
			c.t.Errorf("said %d times in four minutes: %s", got, said)
		}
		if !strings.Contains(said.String(), "10.9.9.9:7946") {
			c.t.Errorf("does not say where: %s", said)
		}
	})
}

// TestContact_OfEveryKind joins by what people write: IPv6, names, all interfaces.
func TestContact_OfEveryKind(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ bind, advertise, contact string }{
		{"127.0.0.1:0", "", "127.0.0.1"},
		{"127.0.0.1:0", "localhost", "localhost"},
		{"[::1]:0", "", "::1"},
		{"[::]:0", "::1", "::1"},
		{"[::]:0", "127.0.0.1", "127.0.0.1"},
		{"0.0.0.0:0", "127.0.0.1", "localhost"},
	} {
		t.Run(k.bind+" "+k.contact, func(t *testing.T) {
			t.Parallel()
			if !binds(t, k.bind) || !binds(t, net.JoinHostPort(k.contact, "0")) {
				t.Skip("this machine has no such address")
			}
			c := newCluster(t, 2, func(_ int, cfg *Config) {
				cfg.Timing, cfg.Bind, cfg.Advertise = quick(), k.bind, k.advertise
			})
			first := c.start(0)
			_, port, err := net.SplitHostPort(first.Addr())
			if err != nil {
				t.Fatal(err)
			}
			c.start(1, net.JoinHostPort(k.contact, port))
			wait(t, 20*time.Second, "joined", c.sees([]int{0, 1}, []int{0, 1}, Alive))
			since := time.Now()
			wait(t, 20*time.Second, "packets pass both ways", func() error {
				for i := range 2 {
					if !c.nodes[i].View()[1-i].LastHeard.After(since) {
						return ErrRefused
					}
				}
				return nil
			})
		})
	}
}

// binds reports whether the machine has the address.
func binds(t *testing.T, addr string) bool {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		if strings.Contains(err.Error(), syscall.EADDRNOTAVAIL.Error()) ||
			strings.Contains(err.Error(), syscall.EAFNOSUPPORT.Error()) {
			return false
		}
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}
