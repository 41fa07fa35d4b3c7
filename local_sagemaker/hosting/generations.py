"""Everything that runs for endpoints: the current generation, the one to come, the one that ends.

It knows what must be stopped, and when the server ends, stops all of it. It must not know why.
"""

import threading
from collections.abc import Collection

from local_sagemaker.hosting.deployments import Deployed, DeploymentFailed
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.route_key import RouteKey

_CLOSE_GRACE = 2.0


class Generations:
    """The deployed variants of every endpoint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[RouteKey, list[Deployed]] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the server is being stopped."""
        return self._closed

    def add(self, key: RouteKey, deployed: Deployed) -> None:
        """Take charge of a variant whose processes are about to be started.

        Raises
        ------
        DeploymentFailed
            When the server is being stopped, and nothing may be started any more.
        """
        with self._lock:
            self._running.setdefault(key, []).append(deployed)
            if not self._closed:
                return
        deployed.stop(_CLOSE_GRACE)
        raise DeploymentFailed("The local SageMaker is being stopped.")

    def stop(self, key: RouteKey, fleets: Collection[Fleet] | None = None) -> None:
        """Stop what runs for an endpoint, and wait for it.

        Parameters
        ----------
        key
            Whose endpoint.
        fleets
            Which of its fleets; all if None.
        """
        with self._lock:
            running = self._running.get(key, [])
            ending = [d for d in running if fleets is None or d.fleet in fleets]
        for deployed in ending:
            deployed.stop()
        # Forgotten only now: until here, `close` can make them end sooner.
        with self._lock:
            left = [d for d in self._running.pop(key, []) if d not in ending]
            if left:
                self._running[key] = left

    def close(self) -> None:
        """Stop everything, together, and wait for it."""
        with self._lock:
            self._closed = True
            ending = [deployed for several in self._running.values() for deployed in several]
        threads = [
            threading.Thread(target=deployed.stop, args=(_CLOSE_GRACE,), name="stop endpoint")
            for deployed in ending
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
