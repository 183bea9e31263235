"""Azure's entry: registers the doors of ``functions/``. Indexing needs no setting and imports no vendor SDK."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from functions import (
    DELIVERIES,
    EXPIRY_SCHEDULE,
    HTTP_DOORS,
    KEYS_SCHEDULE,
    RENEWAL_SCHEDULE,
    STORAGE_SETTING,
    SWEEP_SCHEDULE,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def _http_door(module: str) -> Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]:
    async def door(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        from functions.doors import mounted

        answer: func.HttpResponse = await mounted(module).handle_async(req, context)
        return answer

    return door


for _first, _module in HTTP_DOORS.items():
    _name = f"{_module}_{_first}" if _first and _first != _module else _module
    _route = f"{_first}/{{*path}}" if _first else "{*path}"
    app.function_name(_name)(app.route(route=_route, methods=METHODS)(_http_door(_module)))


@app.queue_trigger(arg_name="message", queue_name=DELIVERIES, connection=STORAGE_SETTING)
def deliver(message: func.QueueMessage) -> None:
    """Deliver one scan."""
    from functions.delivery import deliver

    deliver(message.get_body().decode("utf-8", "replace"))


@app.queue_trigger(arg_name="message", queue_name=f"{DELIVERIES}-poison", connection=STORAGE_SETTING)
def give_up(message: func.QueueMessage) -> None:
    """Say which scan the queue gave up on."""
    from functions.delivery import give_up

    give_up(message.get_body().decode("utf-8", "replace"))


@app.timer_trigger(arg_name="timer", schedule=SWEEP_SCHEDULE)
def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Wake the scans that nobody has woken."""
    from functions.upkeep import sweep

    sweep()


@app.timer_trigger(arg_name="timer", schedule=RENEWAL_SCHEDULE)
def renew(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Renew the sleeping sign-ins that are due."""
    from functions.upkeep import renew

    renew()


@app.timer_trigger(arg_name="timer", schedule=EXPIRY_SCHEDULE)
def expire(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Delete what is too old."""
    from functions.upkeep import expire

    expire()


@app.timer_trigger(arg_name="timer", schedule=KEYS_SCHEDULE)
def rotate_keys(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Rotate the vault's keys."""
    from functions.upkeep import rotate_keys

    rotate_keys()
