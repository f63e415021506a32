package main

import (
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

// memoryShare is the share of the control group's memory that Go may use before it collects
// harder. SQLite and the runtime itself use the rest.
const memoryShare = 0.8

// limitMemory holds Go to the memory that a control group or a container has, where GOMEMLIMIT
// does not say what to hold it to.
func limitMemory(log zerolog.Logger, group memlimit.Provider) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(group))
	switch {
	case err != nil:
		log.Debug().Err(err).Msg("no limit of memory was found")
	case limit != math.MaxInt64:
		log.Info().Int64("bytes", limit).Msg("memory is limited")
	}
}
