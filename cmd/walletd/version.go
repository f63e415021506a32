package main

import (
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

type versionCmd struct{}

// build is what the binary says of itself.
type build struct {
	Version       string `json:"version"`
	Revision      string `json:"revision,omitempty"`
	Time          string `json:"time,omitempty"`
	Modified      bool   `json:"modified,omitempty"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
	RuntimeSecret bool   `json:"runtimeSecret"`
}

func readBuild() build {
	b := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "GOEXPERIMENT":
			b.RuntimeSecret = slices.Contains(strings.Split(s.Value, ","), "runtimesecret")
		}
	}
	return b
}

func (versionCmd) Run(con *console) error {
	b := readBuild()
	if con.json {
		return con.JSON(b)
	}
	con.printf("walletd %s\n", b.Version)
	if b.Revision != "" {
		con.printf("revision        %s %s\n", b.Revision, b.Time)
	}
	if b.Modified {
		con.printf("                with changes that are not in it\n")
	}
	erased := "off: build with GOEXPERIMENT=runtimesecret to have registers and stack erased behind keys"
	if b.RuntimeSecret {
		erased = "on: registers and stack are erased behind keys"
	}
	con.printf("built with      %s for %s\nruntime secret  %s\n", b.Go, b.Platform, erased)
	return nil
}
