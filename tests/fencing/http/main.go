// A service behind examples/fencing/http/fence.go, and its unfenced twin. usage: main DIR PORT
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"server/fence"
)

func effect(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		journal, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			log.Fatal(err)
		}
		defer journal.Close()
		if _, err = journal.Write(body); err != nil {
			log.Fatal(err)
		}
	})
}

func main() {
	folder, port := os.Args[1], os.Args[2]
	guard, err := fence.Open(filepath.Join(folder, "fence"), "shop/orders")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/twin", effect(filepath.Join(folder, "twin.journal")))
	http.Handle("/fenced", guard.Middleware(effect(filepath.Join(folder, "fenced.journal"))))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
