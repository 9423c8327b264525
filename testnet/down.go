package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"byzd/daemon/disk"
)

// downTime is how long a supervisor may take to stop its nodes before it is ended itself: a bit
// more than the time after which it kills those that do not end.
const downTime = stopTime + closingTime + 5*time.Second

// Down stops all nodes and the supervisor, and returns when they have ended. To stop a stopped
// testnet is not an error. If the supervisor has died, or does not answer, what it left is ended;
// processes that are not this testnet's are never touched.
func (n *Network) Down(ctx context.Context) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	if runs(st) {
		err = n.stopSupervisor(ctx, st.Supervisor)
	}
	if err != nil {
		return err
	}
	unlock, err := n.waitLock(ctx)
	if err != nil {
		return err
	}
	err = n.clean(ctx)
	return errors.Join(err, unlock())
}

// stopSupervisor asks the supervisor to end, waits for it, and ends it if it does not listen.
func (n *Network) stopSupervisor(ctx context.Context, sup Supervisor) error {
	if n.own != nil {
		n.own.stop()
		select {
		case <-n.own.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if _, still, _ := inspect(sup.PID); still {
		_ = syscall.Kill(sup.PID, syscall.SIGCONT) // so that it can hear
	}
	err := call(ctx, sup.URL+pathDown, order{}, downTime)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || sup.PID == os.Getpid() {
		return ignoreGone(sup, err)
	}
	// Another down may have been faster; then it is about to end by itself.
	limit, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	if gone(limit, sup.PID, sup.Started) == nil {
		return nil
	}
	if err := end(ctx, sup.PID, sup.Started); err != nil {
		return fmt.Errorf("end the testnet's supervisor: %w", err)
	}
	return nil
}

// ignoreGone drops an error that came because the supervisor has ended meanwhile.
func ignoreGone(sup Supervisor, err error) error {
	if err != nil && !same(sup.PID, sup.Started) {
		return nil
	}
	return err
}

// waitLock waits until the supervisor has let go of the home, and takes it. For a supervisor that
// is a process of its own that means that it has ended.
func (n *Network) waitLock(ctx context.Context) (unlock func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, downTime)
	defer cancel()
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	for {
		unlock, err = disk.Lock(n.home)
		if !errors.Is(err, disk.ErrLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, failf("is another byzd starting a testnet there?",
				"the testnet's home is still in use: %w", err)
		case <-poll.C:
		}
	}
}

// clean ends what a supervisor left when it died, and writes down that nothing runs. The home is
// locked.
func (n *Network) clean(ctx context.Context) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	dirty := st.Supervisor.PID != 0
	if dirty && st.Supervisor.PID != os.Getpid() {
		// It has let go of the lock, so it is about to end, if it has not.
		if err := gone(ctx, st.Supervisor.PID, st.Supervisor.Started); err != nil {
			return err
		}
	}
	st.Supervisor = Supervisor{}
	var errs []error
	for i := range st.Nodes {
		node := &st.Nodes[i]
		if !node.Process.Alive() {
			continue
		}
		dirty = true
		if err := end(ctx, node.PID, node.Started); err != nil {
			errs = append(errs, fmt.Errorf("end node %d: %w", i, err))
			continue
		}
		node.PID, node.Started, node.Process = 0, "", Lost
	}
	if dirty {
		d, err := disk.OS(n.home)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, st.save(d))
	}
	return errors.Join(errs...)
}

// end kills a process, if it is still the one that started says, and waits until it has ended.
func end(ctx context.Context, pid int, started string) error {
	if !same(pid, started) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return gone(ctx, pid, started)
}

// gone waits until a process has ended.
func gone(ctx context.Context, pid int, started string) error {
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	for same(pid, started) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not end: %w", pid, ctx.Err())
		case <-poll.C:
		}
	}
	return nil
}
