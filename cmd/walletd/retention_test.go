package main

import (
	"testing"
	"time"
)

func TestRetentionTakesDays(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "15d": 15 * day, "2160h": 90 * day, "0": 0, "0d": 0,
		"14d": -1, "1h": -1, "-90d": -1, "-2160h": -1, "90": -1, "d": -1, "": -1, "1.5d": -1, "99999999999d": -1,
	} {
		var r retention
		if err := r.UnmarshalText([]byte(text)); want < 0 && err == nil || want >= 0 && (err != nil || time.Duration(r) != want) {
			t.Errorf("%q: %v, %v", text, time.Duration(r), err)
		}
	}
}
