// One candidate on client-go's leader election, with the local HTTP that its tests poll:
// GET / answers 200 {"name": leader}, GET /leader 200 while leading and 503 otherwise, with a document
// of baton's form, so that one worker can stand beside either.
// SIGTERM cancels the election's context, so that ReleaseOnCancel releases the Lease. Losing
// leadership ends the process with status 1, as client-go's users do. See also beliefs.go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "client-go-candidate:", err)
		os.Exit(1)
	}
}

func run() error {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig (none: as a Pod)")
	namespace := flag.String("namespace", "default", "namespace of the Lease")
	lease := flag.String("lease", "", "name of the Lease (required)")
	id := flag.String("id", "", "identity of this candidate (none: the host's name and a UUID)")
	leaseDuration := flag.Duration("lease-duration", 15*time.Second, "LeaseDuration")
	renewDeadline := flag.Duration("renew-deadline", 10*time.Second, "RenewDeadline")
	retryPeriod := flag.Duration("retry-period", 2*time.Second, "RetryPeriod")
	releaseOnCancel := flag.Bool("release-on-cancel", false, "release the Lease on SIGTERM")
	timeout := flag.Duration("timeout", 0, "client time-out of a request (0: none, client-go's default)")
	work := flag.Duration("work", 0, "log an act this often while leading (0: never)")
	address := flag.String("http", "127.0.0.1:0", "address of the local HTTP")
	flag.Parse()
	if *lease == "" {
		return errors.New("--lease is required")
	}
	if *id == "" {
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		*id = host + "_" + string(uuid.NewUUID())
	}

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.Timeout = *timeout
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	believed := &beliefs{id: *id, patience: *retryPeriod + *renewDeadline}
	lost := false
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: recordedLock{&resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *lease},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: *id},
		}, believed},
		LeaseDuration:   *leaseDuration,
		RenewDeadline:   *renewDeadline,
		RetryPeriod:     *retryPeriod,
		ReleaseOnCancel: *releaseOnCancel,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: believed.gained,
			OnStoppedLeading: func() {
				lost = true
				believed.lost()
			},
		},
	})
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"name": elector.GetLeader()})
	})
	http.HandleFunc("GET /leader", func(w http.ResponseWriter, _ *http.Request) {
		leads := elector.IsLeader()
		w.Header().Set("Content-Type", "application/json")
		if !leads {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(believed.document(leads))
	})
	go func() { _ = http.Serve(listener, nil) }()
	if *work > 0 {
		go believed.work(*work, elector.IsLeader)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	elector.Run(ctx)
	if lost && ctx.Err() == nil {
		return errors.New("leadership lost")
	}
	return nil
}
