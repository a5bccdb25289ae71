"""A gRPC server interceptor that reports waiting threads to the call thread pool and limits open streams."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc

from runoff.service.call_threads import CallThreadPool

# Maximum number of open streams per method. Each stream occupies a thread. Only two methods are streaming, the health
# watch and reflection, so streams use at most 48 of the pool's 64 threads. A client that watches health needs one.
MAX_STREAMS = 24
# Maximum size of health and reflection requests, which normally contain only one name. Protobuf would need a second to
# parse a hostile request of the largest size that gRPC accepts, and it blocks all other Python threads meanwhile.
_MAX_PARSED_BYTES = 65_536
# Any, because grpc-stubs declare neither the arguments of a handler's functions nor that these functions may be None.
_Handler: TypeAlias = Any


class CallInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg] # grpc's own class takes no arguments
    """
    Wraps every gRPC method so that the thread pool can tell which of its threads are waiting for a client.

    gRPC receives the request of a unary method before it calls the handler, so the handler could not report this wait.
    This class therefore registers unary methods as streaming methods, which look the same on the wire, and receives
    the request itself.
    """

    def __init__(self, pool: CallThreadPool) -> None:
        self._pool = pool
        self._wrapped: dict[str, _Handler] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Return the wrapped handler of the called method, or None if the service has no such method."""
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = continuation(handler_call_details)
            if handler is None:
                return None
            self._wrapped[method] = self._wrap(handler)
        return self._wrapped[method]

    def _wrap(self, handler: _Handler) -> _Handler:
        if handler.unary_unary:
            return grpc.stream_unary_rpc_method_handler(
                self._unary_response(handler), response_serializer=handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            self._response_stream(handler), response_serializer=handler.response_serializer
        )

    def _unary_response(self, handler: _Handler) -> Callable[[Iterator[bytes], grpc.ServicerContext], Any]:
        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with self._pool.waiting(context, replace_now=False):
                request = _receive_request(handler, requests, context)
            with self._pool.compute_slots:
                return handler.unary_unary(request, context)

        return handle

    def _response_stream(self, handler: _Handler) -> Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[Any]]:
        respond = handler.unary_stream or handler.stream_stream
        receive = _receive_request if handler.unary_stream else _receive_requests
        stream_slots = threading.Semaphore(MAX_STREAMS)

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
            if not stream_slots.acquire(blocking=False):
                message = f"{MAX_STREAMS} streams of this method are open, which is the limit"
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
            try:
                # Send health updates from this pool thread, which is marked as waiting. gRPC's servicer can also send
                # them from the thread that changes the status, but that thread holds the servicer's lock, so a single
                # client that reads nothing would block all clients' health checks.
                with self._pool.waiting(context):
                    yield from respond(receive(handler, requests, context), context)
            finally:
                stream_slots.release()

        return handle


def _receive_requests(handler: _Handler, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
    """Yield the parsed requests of a streaming call."""
    for message in requests:
        yield _parse(handler, message, context)


def _receive_request(handler: _Handler, requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
    """Return the only request of a unary call. Abort the call with gRPC's usual status if the client sent none."""
    message = next(requests, None)
    if message is None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call ended without a request, expected one")
    return _parse(handler, message, context)


def _parse(handler: _Handler, message: bytes, context: grpc.ServicerContext) -> Any:
    """Deserialize a request for its handler. Abort the call if the request is too long or malformed."""
    if handler.request_deserializer is None:
        return message
    if len(message) > _MAX_PARSED_BYTES:
        text = f"the request has {len(message)} bytes, the limit of this method is {_MAX_PARSED_BYTES}"
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
    try:
        return handler.request_deserializer(message)
    except Exception:
        # Catch every exception, because each deserializer raises a type of its own for malformed requests.
        context.abort(grpc.StatusCode.INTERNAL, f"the request of {len(message)} bytes is malformed")
