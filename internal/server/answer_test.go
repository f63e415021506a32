package server

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestFaultsAreLoggedOnceAndToldToNobody(t *testing.T) {
	for name, fails := range map[string]func(http.ResponseWriter, *http.Request) error{
		"an error that is in no table": func(http.ResponseWriter, *http.Request) error { return errors.New("opening: hunter2") },
		"a panic":                      func(http.ResponseWriter, *http.Request) error { panic("hunter2") },
		"a panic with an error":        func(http.ResponseWriter, *http.Request) error { panic(errors.New("hunter2")) },
		"a fault of the runtime":       func(http.ResponseWriter, *http.Request) error { var none []int; _ = none[len(none)]; return nil },
	} {
		var log bytes.Buffer
		s := &Server{log: zerolog.New(&log), metrics: NewMetrics()}
		w := httptest.NewRecorder()
		s.answer(func(w http.ResponseWriter, r *http.Request) error {
			s.answer(fails)(w, r) // as a route within the guard
			return nil
		})(w, httptest.NewRequest("GET", "/", nil))
		body := w.Body.String()
		if w.Code != 500 || !strings.Contains(body, `"code":"internal"`) || strings.Contains(body, "hunter2") {
			t.Errorf("%s: got %d %s", name, w.Code, body)
		}
		if n := strings.Count(log.String(), "a request failed"); n != 1 {
			t.Errorf("%s: logged %d times: %s", name, n, log.String())
		}
		_, id, _ := strings.Cut(log.String(), `"request":"`)
		if id, _, _ = strings.Cut(id, `"`); id == "" || !strings.Contains(body, id) {
			t.Errorf("%s: the answer does not carry the id %q of the log: %s", name, id, body)
		}
		if strings.Contains(name, "panic") && strings.Contains(log.String(), "hunter2") {
			t.Errorf("%s: its value is logged: %s", name, log.String())
		}
	}
}

func TestOutcomesAreBounded(t *testing.T) {
	m := NewMetrics()
	m.Count("claim.allowed")
	m.Count(`x"} 1` + "\nwalletd_forged")
	for i := range 1000 {
		m.Count("outcome_" + strings.Repeat("x", i%60) + string(rune('a'+i%26)))
	}
	var text bytes.Buffer
	if err := m.write(&text); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "walletd_claims_total{"); n > maxOutcomes+1 {
		t.Errorf("%d outcomes are counted apart", n)
	}
	if strings.Contains(text.String(), "walletd_forged") || !strings.Contains(text.String(), `walletd_claims_total{outcome="other"}`) {
		t.Error("an outcome that is no plain word was taken")
	}
}
