package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"byzd/daemon/genesis/strict"
)

const (
	legalListen = "an IP address of this machine (or localhost) and a port, such as " +
		"0.0.0.0:7946 or [::1]:7946; port 0 takes a free one"
	legalAdvertise = "an IP address or a host name that the other members reach, " +
		"with a port only if gossip is reached at another one"
	legalOperator = "a loopback address and a port, such as 127.0.0.1:7947; " +
		"reach it from elsewhere through a tunnel, such as ssh -L"
	legalSnapshotEvery = "a time such as 30s or 5m, at least 100ms"

	legalSize = "a number of bytes, or one with a unit: 500MB, 20GiB; 0 for no limit"
)

// shortestInterval keeps a node from writing nothing but snapshots.
const shortestInterval = 100 * time.Millisecond

func parseSnapshotEvery(value string) (time.Duration, error) {
	every, err := time.ParseDuration(value)
	if err != nil {
		return 0, errors.New("it is not a time")
	}
	if every < shortestInterval {
		return 0, fmt.Errorf("it is shorter than %v", shortestInterval)
	}
	return every, nil
}

// joinMax bounds the contacts.
const joinMax = 128

// checkListen accepts what can be listened on.
func checkListen(value string) error {
	_, err := listenAddr(value)
	return err
}

func listenAddr(value string) (netip.Addr, error) {
	host, _, err := splitPort(value)
	if err != nil {
		return netip.Addr{}, err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || checkHost(host) != nil {
		return ip, fmt.Errorf("%.80q is not an IP address", host)
	}
	return ip, nil
}

// checkOperator accepts loopback only: whoever reaches the operator's port sees everything.
func checkOperator(value string) error {
	ip, err := listenAddr(value)
	if err == nil && !ip.Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address, and who reaches this port may use it", ip)
	}
	return err
}

func checkAdvertise(value string) error {
	if value == "" {
		return nil
	}
	host := value
	if strings.HasPrefix(value, "[") || strings.Count(value, ":") == 1 {
		h, port, err := splitPort(value)
		if err != nil {
			return err
		}
		if port == 0 {
			return errPortZero
		}
		host = h
	}
	if ip, err := netip.ParseAddr(host); err == nil && (ip.IsUnspecified() || ip.IsMulticast()) {
		return fmt.Errorf("nobody can reach %s", ip)
	}
	return checkHost(host)
}

func checkJoin(values []string) error {
	if len(values) > joinMax {
		return fmt.Errorf("%d contacts are too many", len(values))
	}
	for _, value := range values {
		host, port, err := splitPort(value)
		if err == nil && port == 0 {
			err = errPortZero
		}
		if err == nil {
			err = checkHost(host)
		}
		if err != nil {
			return fmt.Errorf("contact %q: %w", value, err)
		}
	}
	return nil
}

var errPortZero = errors.New("port 0 is nobody's")

func splitPort(value string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(value)
	if err != nil {
		if at, ok := errors.AsType[*net.AddrError](err); ok {
			return "", 0, errors.New(at.Err)
		}
		return "", 0, err
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number from 0 to %d", digits, math.MaxUint16)
	}
	return host, int(number), nil
}

// hostMax is the length of the longest host name.
const hostMax = 253

// hostLetters are the letters of host names and of an address's zone.
const hostLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// checkHost accepts IP addresses and what can be a host name. Whether it exists is found out later.
func checkHost(host string) error {
	name := host
	if ip, err := netip.ParseAddr(host); err == nil {
		name = "ip" + ip.Zone()
	}
	bad := func(r rune) bool { return !strings.ContainsRune(hostLetters, r) }
	if name == "" || len(name) > hostMax || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%.80q is not a host", host)
	}
	return nil
}

// checkChoice accepts one of words, and suggests one otherwise.
func checkChoice(value string, words []string) error {
	if slices.Contains(words, value) {
		return nil
	}
	if near := strict.Nearest(value, words); near != "" {
		return fmt.Errorf("did you mean %q?", near)
	}
	return errors.New("there is no such word")
}

// parseSize reads a number of bytes.
func parseSize(value string) (int64, error) {
	digits := strings.TrimRight(value, "kKMGTiB")
	unit := value[len(digits):]
	factors := map[string]int64{
		"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}
	factor, known := factors[unit]
	number, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	switch {
	case !known:
		return 0, fmt.Errorf("there is no unit %q", unit)
	case err != nil || number < 0:
		return 0, errors.New("it is not a whole number of bytes")
	case number > math.MaxInt64/factor:
		return 0, errors.New("it is too large")
	}
	return number * factor, nil
}
