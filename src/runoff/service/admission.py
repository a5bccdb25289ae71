"""How calls get in, whatever their service: through the crew, and streams only so many at a time."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import grpc

from runoff.service.crew import Crew

# Open streams of one method, which hold a thread each. Operators open a few, and a client with client-side health
# checking one watch for its connection.
MAX_STREAMS = 64
# Messages that gRPC's own packages parse, of health and reflection, ask with a name. What hostile callers put into the
# largest message takes the parser a second, with the interpreter lock held.
_LONGEST_PARSED_BYTES = 65_536
# grpc's stubs know neither handlers' functions, which may be absent, nor what non-blocking ones are given.
_Handler: TypeAlias = Any


class Admission(grpc.ServerInterceptor):  # type: ignore[type-arg] # grpc's own class takes no arguments
    """
    Wraps every method so that the crew knows which threads wait for somebody else.

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
        take_requests = self._request if handler.unary_stream else self._requests
        return grpc.stream_stream_rpc_method_handler(
            self._stream(handler.unary_stream or handler.stream_stream, partial(take_requests, handler)),
            response_serializer=handler.response_serializer,
        )

    def _one_answer(self, handler: _Handler) -> Callable[[Iterator[bytes], grpc.ServicerContext], Any]:
        answer = handler.unary_unary

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with self._crew.uncounted(context, at_once=False):
                request = self._request(handler, requests, context)
            with self._crew.at_work:
                return answer(request, context)

        return handle

    def _stream(
        self, answers: Callable[..., Any], take_requests: Callable[..., Any]
    ) -> Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[Any]]:
        open_streams = threading.Semaphore(MAX_STREAMS)

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
            if not open_streams.acquire(blocking=False):
                words = f"{MAX_STREAMS} streams of this method are open, no more are taken"
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
            try:
                # Health would answer from whatever thread sets it, holding its lock. A client that takes in nothing
                # could keep that from everybody; here it keeps a thread that is not counted on.
                with self._crew.uncounted(context):
                    yield from answers(take_requests(requests, context), context)
            finally:
                open_streams.release()

        return handle

    def _requests(self, handler: _Handler, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
        """Yield the messages of a call."""
        for message in requests:
            yield _parsed(handler, message, context)

    def _request(self, handler: _Handler, requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        """Return the one message of a call, as gRPC does for methods of one message."""
        message = next(requests, None)
        if message is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call ended without a message, expected one")
        return _parsed(handler, message, context)


def _parsed(handler: _Handler, message: bytes, context: grpc.ServicerContext) -> Any:
    """Return a message as its method wants it, or abort the call."""
    if handler.request_deserializer is None:
        return message
    if len(message) > _LONGEST_PARSED_BYTES:
        words = f"the request has {len(message)} bytes, the limit of this method is {_LONGEST_PARSED_BYTES}"
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
    try:
        return handler.request_deserializer(message)
    except Exception:
        # Whatever a parser raises, it is the message's fault.
        context.abort(grpc.StatusCode.INTERNAL, f"the request's {len(message)} bytes are no message of this method")
