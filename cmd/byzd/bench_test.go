package main

import (
	"encoding/json"
	"strings"
	"testing"

	"byzd/daemon/api/apitest"
	"byzd/daemon/config"
)

// Each way writes, counts exactly, and says what it measured.
func TestBench(t *testing.T) {
	cluster := apitest.Start(t, "bench", 4)
	home := t.TempDir()
	if err := cluster.Genesis.Save(config.Home(home).Genesis()); err != nil {
		t.Fatal(err)
	}
	endpoints := strings.Join(cluster.Endpoints, ",")
	for _, via := range []string{viaEtcd, viaOrder, viaSigned} {
		args := []string{
			"bench", "--via", via, "--clients", "8", "--total", "64", "--warm-up", "0s",
			"--endpoints", endpoints, "--home", home, "--timeout", "1m",
		}
		code, stdout, stderr := byzdIn(t, "", append(args, "--json")...)
		var got benchJSON
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
			t.Fatalf("via %s: exit %d, %v\n%s%s", via, code, err, stdout, stderr)
		}
		if got.Writes != 64 || len(got.Errors) > 0 || got.PerSecond <= 0 || got.P50 <= 0 ||
			got.P99 < got.P50 || got.Max < got.P99 {
			t.Errorf("via %s: %+v", via, got)
		}
	}
	code, stdout, stderr := byzdIn(t, "", "bench", "--duration", "50ms", "--warm-up", "0s",
		"--clients", "2", "--endpoints", endpoints)
	if code != 0 || !strings.Contains(stdout, "writes") || !strings.Contains(stdout, "p99") ||
		!strings.Contains(stdout, "errors    none") ||
		!strings.Contains(stdout, "nodes not known") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestBenchRefuses(t *testing.T) {
	cluster := apitest.Start(t, "benchrefuses", 1)
	for _, line := range []string{
		"--via magic", "--clients 0", "--clients 100000", "--keys 0", "--value-size -1",
		"--duration 0s", "--total -1", "--warm-up -1s", "--timeout 0s", "surplus",
	} {
		args := []string{"bench", "--endpoints", cluster.Endpoints[0]}
		args = append(args, strings.Fields(line)...)
		if code, _, stderr := byzdIn(t, "", args...); code != 2 || stderr == "" {
			t.Errorf("bench %s: exit %d\n%s", line, code, stderr)
		}
	}
	cluster.SetFault(0, apitest.Fault{Busy: true})
	code, stdout, _ := byzdIn(t, "", "bench", "--endpoints", cluster.Endpoints[0],
		"--warm-up", "0s", "--duration", "50ms", "--clients", "1")
	if code != 3 || !strings.Contains(stdout, "busy") {
		t.Errorf("a busy node: exit %d\n%s", code, stdout)
	}
}
