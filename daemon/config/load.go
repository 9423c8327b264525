package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"byzd/daemon/genesis/strict"
)

const envPrefix = "BYZD_"

// envHome is a variable of the command line, not of the settings.
const envHome = "BYZD_HOME"

// fileMax bounds byzd.toml.
const fileMax = 1 << 20

// Load reads the settings of the node in home. environ is what [os.Environ] returns; flags holds
// the values that were given on the command line, by key.
func Load(home Home, environ []string, flags map[string][]string) (*Config, error) {
	c := &Config{origins: map[string]string{}}
	for _, k := range keys() {
		var values []string
		if k.kind != texts {
			values = []string{k.standard}
		}
		if err := c.set(k, values, "default"); err != nil {
			panic(fmt.Sprintf("config: a default is not legal: %v", err))
		}
	}
	if err := c.loadFile(home); err != nil {
		return nil, err
	}
	if err := c.loadEnviron(environ); err != nil {
		return nil, err
	}
	if err := c.loadFlags(flags); err != nil {
		return nil, err
	}
	return c, nil
}

// set gives a key its value, and refuses one that is not legal by name, value and origin.
func (c *Config) set(k key, values []string, origin string) error {
	flag := strings.HasPrefix(origin, "--")
	if k.kind != texts && len(values) != 1 {
		return &Error{
			Err:    fmt.Errorf("%s is given %d times (%s)", k.name, len(values), origin),
			Advice: "give it once", Flag: flag,
		}
	}
	if err := k.set(c, values); err != nil {
		return &Error{
			Err: fmt.Errorf("%s = %.200q (%s): %w", k.name, strings.Join(values, ","), origin,
				err),
			Advice: k.name + " must be " + k.legal, Flag: flag,
		}
	}
	c.origins[k.name] = origin
	return nil
}

func (c *Config) loadFile(home Home) error {
	data, err := readFile(home.Config())
	if err != nil || data == nil {
		return err
	}
	doc, err := strict.Parse(home.Config(), data)
	if err != nil {
		return err
	}
	for _, k := range keys() {
		if !doc.Has(k.name) {
			continue
		}
		values, ok := k.fromTOML(doc)
		if !ok {
			continue // doc.Err tells
		}
		origin := configName + ":" + strconv.Itoa(doc.Line(k.name))
		if err := c.set(k, values, origin); err != nil {
			return err
		}
	}
	return doc.Err()
}

// fromTOML returns the values of a key, or false if they are not of its type.
func (k key) fromTOML(doc *strict.Table) ([]string, bool) {
	value, _ := doc.Take(k.name)
	switch k.kind {
	case texts:
		list, ok := value.([]any)
		values := doc.Strings(k.name)
		return values, ok && len(values) == len(list)
	case size:
		if number, ok := value.(int64); ok {
			return []string{strconv.FormatInt(number, 10)}, true
		}
		if _, ok := value.(string); !ok {
			doc.Failf(k.name, "", "%s must be %s", k.name, k.legal)
			return nil, false
		}
	case text:
	}
	_, ok := value.(string)
	return []string{doc.String(k.name)}, ok
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // The file may be missing, and the home is others' to look for.
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > fileMax {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, fileMax)
	}
	return data, nil
}

func (c *Config) loadEnviron(environ []string) error {
	known := []string{envHome}
	for _, k := range keys() {
		known = append(known, k.variable())
	}
	for _, assignment := range environ {
		name, value, _ := strings.Cut(assignment, "=")
		if !strings.HasPrefix(name, envPrefix) || name == envHome {
			continue
		}
		i := slices.Index(known, name)
		if i < 0 {
			return advise(strict.Suggest(name, known), "unknown variable %s in the environment",
				name)
		}
		k := keys()[i-1]
		values := []string{value}
		if k.kind == texts {
			values = splitList(value)
		}
		if err := c.set(k, values, name); err != nil {
			return err
		}
	}
	return nil
}

func splitList(value string) []string {
	if value == "" {
		return nil
	}
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func (c *Config) loadFlags(flags map[string][]string) error {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		k, ok := find(name)
		if !ok {
			return &Error{
				Err:    fmt.Errorf("unknown setting --%s", name),
				Advice: strict.Suggest(name, Keys()), Flag: true,
			}
		}
		if err := c.set(k, flags[name], "--"+name); err != nil {
			return err
		}
	}
	return nil
}
