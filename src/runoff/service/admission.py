"""How calls get in, whatever their service: through the crew, and streams only so many at a time."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc

from runoff.service.crew import Crew

# Open streams of one method: reflection holds a thread each, a watch of health some KB. Operators open a few, and a
# client with client-side health checking one watch for its connection.
MAX_STREAMS = 64
# grpc's stubs know neither handlers' functions, which may be absent, nor what non-blocking ones are given.
_Handler: TypeAlias = Any


class Admission(grpc.ServerInterceptor):  # type: ignore[type-arg] # grpc's own class takes no arguments
    """
    Wraps every method so that its messages are waited for by the crew.

    On the wire a call of one message and a stream look alike, so a method of one message is handled as a stream whose
    first message is taken: gRPC would otherwise do the waiting by itself.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._wrapped: dict[str, _Handler] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Return the wrapped handler of a call, None if there is no such method."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = self._wrap(handler)
        return wrapped

    def _wrap(self, handler: _Handler) -> _Handler:
        if handler.unary_unary:
            return grpc.stream_unary_rpc_method_handler(
                self._one_answer(handler), response_serializer=handler.response_serializer
            )
        if handler.unary_stream:
            return grpc.stream_stream_rpc_method_handler(
                self._watch(handler), response_serializer=handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            self._conversation(handler), handler.request_deserializer, handler.response_serializer
        )

    def _one_answer(self, handler: _Handler) -> Callable[[Iterator[bytes], grpc.ServicerContext], Any]:
        answer = handler.unary_unary

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            request = self._request(handler, requests, context)
            with self._crew.at_work:
                return answer(request, context)

        return handle

    def _watch(self, handler: _Handler) -> Callable[..., Any]:
        """Wrap health's Watch, which answers by a callback and holds no thread while it is open."""
        watch, open_streams = handler.unary_stream, _OpenStreams()

        def handle(
            requests: Iterator[bytes], context: grpc.ServicerContext, send_response_callback: Callable[[Any], None]
        ) -> Any:
            open_streams.admit(context)
            request = self._request(handler, requests, context)
            return watch(request, context, send_response_callback)

        handle.experimental_non_blocking = True  # type: ignore[attr-defined] # how gRPC is told
        return handle

    def _conversation(self, handler: _Handler) -> Callable[[Iterator[Any], grpc.ServicerContext], Any]:
        converse, open_streams = handler.stream_stream, _OpenStreams()

        def received(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            while (request := self._crew.receive(requests, context)) is not None:
                yield request

        def handle(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            open_streams.admit(context)
            return converse(received(requests, context), context)

        return handle

    def _request(self, handler: _Handler, requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        """Return the one message of a call, as gRPC does for methods of one message."""
        message = self._crew.receive(requests, context)
        if message is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call ended without a message, expected one")
        if handler.request_deserializer is None:
            return message
        try:
            return handler.request_deserializer(message)
        except Exception:
            # Whatever a parser raises, it is the message's fault.
            context.abort(grpc.StatusCode.INTERNAL, f"the request's {len(message)} bytes are no message of this method")


class _OpenStreams:
    """Counts the open streams of one method."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_STREAMS)

    def admit(self, context: grpc.ServicerContext) -> None:
        """Let a stream in until its end, or abort it with RESOURCE_EXHAUSTED."""
        if not self._free.acquire(blocking=False):
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_STREAMS} streams of this method are open, no more are taken"
            )
        if not context.add_callback(self._free.release):
            # It has ended already, and gRPC calls nobody for that.
            self._free.release()
