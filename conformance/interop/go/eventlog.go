// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"adjoin.dev/interop/gen/eventlog"
	"github.com/cloudstateio/go-support/cloudstate/action"
	"github.com/cloudstateio/go-support/cloudstate/encoding"
	"github.com/cloudstateio/go-support/cloudstate/eventsourced"
	"github.com/cloudstateio/go-support/cloudstate/protocol"
	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes/any"
	"github.com/golang/protobuf/ptypes/empty"
)

const subscriber = "cloudstate.tck.model.eventlogeventing.EventLogSubscriberModel"

// listener is handed events, and tells which entity they came from.
type listener struct{}

func newListener() action.EntityHandler { return listener{} }

func (listener) HandleCommand(ctx *action.Context, name string, command proto.Message) error {
	id := subject(ctx.Metadata())
	switch message := command.(type) {
	case *eventlog.EventOne:
		return answer(ctx, id, message.GetStep())
	case *eventlog.EventTwo:
		defer ctx.Cancel()
		for _, step := range message.GetStep() {
			if err := answer(ctx, id, step); err != nil {
				return err
			}
			if err := ctx.Respond(nil); err != nil {
				return err
			}
		}
		return nil
	case *eventlog.EffectRequest:
		return respond(ctx, message.GetId(), message.GetMessage())
	case *any.Any:
		event := jsonEvent{}
		if err := encoding.UnmarshalJSON(message, &event); err != nil {
			return err
		}
		return respond(ctx, id, event.Message)
	}
	return unknown(name, command)
}

func answer(ctx *action.Context, id string, step *eventlog.ProcessStep) error {
	if forward := step.GetForward(); forward != nil {
		payload, err := encoding.MarshalAny(&eventlog.EffectRequest{Id: id, Message: forward.GetMessage()})
		if err != nil {
			return err
		}
		ctx.Forward(&protocol.Forward{ServiceName: subscriber, CommandName: "Effect", Payload: payload})
		return nil
	}
	return respond(ctx, id, step.GetReply().GetMessage())
}

func respond(ctx *action.Context, id, message string) error {
	payload, err := encoding.MarshalAny(&eventlog.Response{Id: id, Message: message})
	if err != nil {
		return err
	}
	ctx.RespondWith(payload)
	return nil
}

// subject is the entity that an event came from, empty for a call.
func subject(metadata *protocol.Metadata) string {
	for _, entry := range metadata.GetEntries() {
		if strings.EqualFold(entry.GetKey(), "ce-subject") {
			return entry.GetStringValue()
		}
	}
	return ""
}

// messageSource persists the messages that it is given.
type messageSource struct{}

func newMessageSource(eventsourced.EntityID) eventsourced.EntityHandler { return messageSource{} }

func (messageSource) HandleCommand(ctx *eventsourced.Context, name string, command proto.Message) (proto.Message, error) {
	request, ok := command.(*eventlog.EmitEventRequest)
	if !ok {
		return nil, unknown(name, command)
	}
	if one := request.GetEventOne(); one != nil {
		ctx.Emit(one)
	}
	if two := request.GetEventTwo(); two != nil {
		ctx.Emit(two)
	}
	return &empty.Empty{}, nil
}

func (messageSource) HandleEvent(*eventsourced.Context, interface{}) error { return nil }

// jsonEvent is what jsonSource persists.
type jsonEvent struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// jsonSource persists what it is given as JSON. This SDK panics when such an event is replayed to it.
type jsonSource struct{}

func newJSONSource(eventsourced.EntityID) eventsourced.EntityHandler { return jsonSource{} }

func (jsonSource) HandleCommand(ctx *eventsourced.Context, name string, command proto.Message) (proto.Message, error) {
	request, ok := command.(*eventlog.JsonEvent)
	if !ok {
		return nil, unknown(name, command)
	}
	event, err := encoding.MarshalJSON(jsonEvent{ID: request.GetId(), Message: request.GetMessage()})
	if err != nil {
		return nil, err
	}
	event.TypeUrl = "json.cloudstate.io/JsonEvent"
	ctx.Emit(event)
	return &empty.Empty{}, nil
}

func (jsonSource) HandleEvent(*eventsourced.Context, interface{}) error { return nil }
