// SPDX-License-Identifier: Apache-2.0

// Command interop serves the model services and a cart on the unchanged Cloudstate SDK for Go.
//
// It listens on HOST and PORT, prints "listening on ADDRESS" once clients can connect, and ends on SIGTERM.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudstateio/go-support/cloudstate"
	"github.com/cloudstateio/go-support/cloudstate/action"
	"github.com/cloudstateio/go-support/cloudstate/eventsourced"
	"github.com/cloudstateio/go-support/cloudstate/protocol"
	"github.com/cloudstateio/go-support/cloudstate/value"
)

// The time after which the configured entities leave memory, as suites expect it.
const soon = 100 * time.Millisecond

const models = "cloudstate/tck/model/"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	service, err := cloudstate.New(protocol.Config{ServiceName: "adjoin-interop-go", ServiceVersion: "1.2.3"})
	if err != nil {
		return err
	}
	for _, register := range []func(*cloudstate.CloudState) error{eventSourced, values, actions, eventLog, carts} {
		if err := register(service); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	go endWhenTold()
	fmt.Printf("listening on %s\n", listener.Addr())
	return service.RunWithListener(listener)
}

// The SDK's own Stop waits for every stream to end, and a proxy keeps one open for each active entity.
func endWhenTold() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	<-told
	os.Exit(0)
}

func eventSourced(service *cloudstate.CloudState) error {
	files := protocol.DescriptorConfig{Service: models + "eventsourced.proto"}
	err := service.RegisterEventSourced(&eventsourced.Entity{
		ServiceName:   "cloudstate.tck.model.EventSourcedTckModel",
		PersistenceID: "event-sourced-tck-model",
		SnapshotEvery: 5,
		EntityFunc:    newLog,
	}, files)
	if err != nil {
		return err
	}
	err = service.RegisterEventSourced(&eventsourced.Entity{
		ServiceName:   "cloudstate.tck.model.EventSourcedTwo",
		PersistenceID: "event-sourced-tck-model-two",
		EntityFunc:    newSilentLog,
	}, files)
	if err != nil {
		return err
	}
	return service.RegisterEventSourced(&eventsourced.Entity{
		ServiceName:   "cloudstate.tck.model.EventSourcedConfigured",
		PersistenceID: "event-sourced-configured",
		EntityFunc:    newSilentLog,
	}, files, eventsourced.WithPassivationStrategyTimeout(soon))
}

func values(service *cloudstate.CloudState) error {
	files := protocol.DescriptorConfig{Service: models + "valueentity.proto"}
	err := service.RegisterValueEntity(&value.Entity{
		ServiceName:   "cloudstate.tck.model.valueentity.ValueEntityTckModel",
		PersistenceID: "value-entity-tck-model",
		EntityFunc:    newCell,
	}, files)
	if err != nil {
		return err
	}
	err = service.RegisterValueEntity(&value.Entity{
		ServiceName:   "cloudstate.tck.model.valueentity.ValueEntityTwo",
		PersistenceID: "value-entity-tck-model-two",
		EntityFunc:    newSilentCell,
	}, files)
	if err != nil {
		return err
	}
	return service.RegisterValueEntity(&value.Entity{
		ServiceName:   "cloudstate.tck.model.valueentity.ValueEntityConfigured",
		PersistenceID: "value-entity-configured",
		EntityFunc:    newSilentCell,
	}, files, value.WithPassivationStrategyTimeout(soon))
}

func actions(service *cloudstate.CloudState) error {
	files := protocol.DescriptorConfig{Service: models + "action.proto"}
	err := service.RegisterAction(&action.Entity{ServiceName: actionModel, EntityFunc: newSteps}, files)
	if err != nil {
		return err
	}
	return service.RegisterAction(&action.Entity{ServiceName: actionTwo, EntityFunc: newSilentSteps}, files)
}

func eventLog(service *cloudstate.CloudState) error {
	files := protocol.DescriptorConfig{Service: models + "eventlogeventing.proto"}
	err := service.RegisterAction(&action.Entity{ServiceName: subscriber, EntityFunc: newListener}, files)
	if err != nil {
		return err
	}
	err = service.RegisterEventSourced(&eventsourced.Entity{
		ServiceName:   "cloudstate.tck.model.eventlogeventing.EventSourcedEntityOne",
		PersistenceID: "eventlogeventing-one",
		EntityFunc:    newMessageSource,
	}, files)
	if err != nil {
		return err
	}
	return service.RegisterEventSourced(&eventsourced.Entity{
		ServiceName:   "cloudstate.tck.model.eventlogeventing.EventSourcedEntityTwo",
		PersistenceID: "eventlogeventing-two",
		EntityFunc:    newJSONSource,
	}, files)
}

func carts(service *cloudstate.CloudState) error {
	return service.RegisterEventSourced(&eventsourced.Entity{
		ServiceName:   "adjoin.interop.cart.Cart",
		PersistenceID: "cart",
		SnapshotEvery: 3,
		EntityFunc:    newCart,
	}, protocol.DescriptorConfig{Service: "interop/cart.proto"})
}
