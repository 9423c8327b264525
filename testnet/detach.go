package testnet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// SuperviseCommand is the command of byzd, hidden from people, whose process is the supervisor of a
// detached testnet. It must call [Supervise].
func SuperviseCommand() []string { return []string{"testnet", "supervise"} }

// resultFD is the descriptor on which a detached supervisor says whether the testnet came up.
const resultFD = 3

// detach starts a process that calls Supervise and waits for its word. Its session is its own, so
// that it outlives the terminal; options go to its standard input.
func detach(ctx context.Context, o *Options) (*Network, error) {
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		return nil, fmt.Errorf("make a home for the testnet: %w", err)
	}
	cmd, result, err := startDetached(o)
	if err != nil {
		return nil, fmt.Errorf("start the testnet's supervisor: %w", err)
	}
	heard, ended := make(chan error, 1), make(chan struct{})
	go func() {
		heard <- errors.Join(hear(result), result.Close())
		_, _ = cmd.Process.Wait() // also for callers that outlive the testnet: no zombie stays
		close(ended)
	}()
	select {
	case err = <-heard:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err = ctx.Err()
	}
	if err != nil {
		<-ended // until then the home is locked
		return nil, err
	}
	return &Network{home: o.Home}, nil
}

func startDetached(o *Options) (cmd *exec.Cmd, result *os.File, err error) {
	options, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	log, err := openLog(filepath.Join(o.Home, logName))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	in, out, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	result, w, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	args := append(SuperviseCommand(), "--home", o.Home)
	cmd = exec.Command(o.Binary, args...) //nolint:gosec,noctx // our own; it outlives its caller
	cmd.Dir, cmd.Env = o.Home, environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, log, log
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, nil, errors.Join(err, out.Close(), result.Close())
	}
	_, err = out.Write(options)
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, nil, errors.Join(err, cmd.Process.Kill(), result.Close())
	}
	return cmd, result, nil
}

// hear reads the supervisor's word.
func hear(result io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(result, maxOrderBytes)).ReadBytes('\n')
	if err != nil {
		return failf("see the log "+logName+" in the testnet's home",
			"the testnet's supervisor ended before the testnet was up")
	}
	var w wireError
	if err := json.Unmarshal(line, &w); err != nil {
		return fmt.Errorf("understand the testnet's supervisor: %w", err)
	}
	if w.Error != "" {
		return w.err()
	}
	return nil
}

// Supervise is what the process that Up leaves behind does: it reads [Options] from in, brings the
// testnet up, says so to whoever started it, and returns when the testnet was told to end, or ctx
// was.
func Supervise(ctx context.Context, in io.Reader) error {
	var o Options
	if err := json.NewDecoder(io.LimitReader(in, maxOrderBytes)).Decode(&o); err != nil {
		return usagef("use byzd testnet up --detach", "read the options of the testnet: %w", err)
	}
	// Without a pipe there the descriptor is somebody else's.
	var st syscall.Stat_t
	if syscall.Fstat(resultFD, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return usagef("use byzd testnet up --detach", "there is nobody to report to")
	}
	syscall.CloseOnExec(resultFD) // nodes must not inherit it
	result := os.NewFile(resultFD, "result")
	s, err := newSupervisor(ctx, &o)
	if err == nil {
		if err = s.bringUp(ctx, o.Wait); err != nil {
			s.stop()
			<-s.done
		}
	}
	var word wireError
	if err != nil {
		word = toWire(err)
	}
	// Nobody may be there to hear it any more.
	_ = json.NewEncoder(result).Encode(word)
	_ = result.Close()
	if err != nil {
		return err
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		s.stop()
		<-s.done
	}
	return nil
}
