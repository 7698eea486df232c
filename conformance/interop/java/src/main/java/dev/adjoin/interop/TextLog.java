// SPDX-License-Identifier: Apache-2.0
package dev.adjoin.interop;

import dev.adjoin.interop.gen.EventSourcedModels.Persisted;
import dev.adjoin.interop.gen.EventSourcedModels.Request;
import dev.adjoin.interop.gen.EventSourcedModels.RequestAction;
import dev.adjoin.interop.gen.EventSourcedModels.Response;
import io.cloudstate.javasupport.Context;
import io.cloudstate.javasupport.ServiceCall;
import io.cloudstate.javasupport.ServiceCallRef;
import io.cloudstate.javasupport.eventsourced.CommandContext;
import io.cloudstate.javasupport.eventsourced.CommandHandler;
import io.cloudstate.javasupport.eventsourced.EventHandler;
import io.cloudstate.javasupport.eventsourced.EventSourcedEntity;
import io.cloudstate.javasupport.eventsourced.Snapshot;
import io.cloudstate.javasupport.eventsourced.SnapshotHandler;
import java.util.Optional;

/** Answers all that was persisted, joined. */
@EventSourcedEntity(persistenceId = "event-sourced-tck-model", snapshotEvery = 5)
public final class TextLog {
  private final ServiceCallRef<Request> two;
  private String text = "";

  public TextLog(Context context) {
    two = context.serviceCallFactory().lookup("cloudstate.tck.model.EventSourcedTwo", "Call", Request.class);
  }

  @CommandHandler
  public Optional<Response> process(Request request, CommandContext context) {
    // The SDK applies events only after the handler.
    StringBuilder answer = new StringBuilder(text);
    boolean forwarded = false;
    for (RequestAction action : request.getActionsList()) {
      switch (action.getActionCase()) {
        case EMIT:
          context.emit(Persisted.newBuilder().setValue(action.getEmit().getValue()).build());
          answer.append(action.getEmit().getValue());
          break;
        case FORWARD:
          context.forward(call(action.getForward().getId()));
          forwarded = true;
          break;
        case EFFECT:
          // Version 0.5.2 forgets it at once.
          context.effect(call(action.getEffect().getId()), action.getEffect().getSynchronous());
          break;
        case FAIL:
          throw context.fail(action.getFail().getMessage());
        default:
          throw new IllegalArgumentException("a step of no kind");
      }
    }
    // The SDK takes either a forward or a reply.
    return forwarded ? Optional.empty() : Optional.of(Response.newBuilder().setMessage(answer.toString()).build());
  }

  private ServiceCall call(String id) {
    return two.createCall(Request.newBuilder().setId(id).build());
  }

  @EventHandler
  public void persisted(Persisted event) {
    text += event.getValue();
  }

  @Snapshot
  public Persisted snapshot() {
    return Persisted.newBuilder().setValue(text).build();
  }

  @SnapshotHandler
  public void snapshot(Persisted snapshot) {
    text = snapshot.getValue();
  }
}
