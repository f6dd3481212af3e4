package main

import (
	"baton"
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	baton.Must("").Lead(ctx, func(term *baton.Term) error {
		for term.Pause(time.Second) {
			fmt.Printf("token %d, %s left\n", term.Token, term.Remaining())
		}
		fmt.Println("lost")
		return nil
	})
}
