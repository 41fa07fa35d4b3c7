/* The line to the page around this frame.

   The page sends a port once, after this frame has said that it is ready; everything else goes
   through that port. Which of the two is there first, nobody knows: so the frame says it when it is
   loaded, and again when the page asks. Nothing else in the world is reachable from here. */

const channel = (() => {
  let port = null;
  const waiting = [];
  const handlers = {};
  // By this the page knows a frame that says it twice from one that was loaded anew.
  const ready = { taskReady: Math.random() };

  addEventListener("message", (event) => {
    if (event.source !== parent || port !== null) return;
    if (event.data === "task-page") parent.postMessage(ready, "*");
    if (event.data !== "task-port") return;
    port = event.ports[0];
    port.onmessage = ({ data }) => handlers[data.kind]?.(data);
    waiting.splice(0).forEach((message) => port.postMessage(message));
  });

  return {
    /* Say something to the page: an answer, a draft, a height, or what to tell the worker. */
    tell(message) {
      if (port === null) waiting.push(message);
      else port.postMessage(message);
    },
    on(kind, handler) {
      handlers[kind] = handler;
    },
    /* The page answers with the port. It is known by being the parent, so "*" tells nobody more. */
    open() {
      parent.postMessage(ready, "*");
    },
  };
})();
