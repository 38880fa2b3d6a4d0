/**
 * A browser opens six connections to one box, for all its windows together. Only the last few windows
 * to open the stream keep it, so that connections are left for photos and for one window more.
 */
const MOST = 3;

const channel = new BroadcastChannel('retagger-events');
const me = Math.random();
/** Windows that opened their stream after this one. @type {Set<number>} */
const later = new Set();
let since = 0;
let onLost = () => {};

channel.addEventListener('message', ({ data: { id, at } }) => {
  // Of two at the same moment one is the later, for both of them.
  if (at > since || (at === since && id > me)) later.add(id);
  else later.delete(id);
  if (later.size >= MOST) onLost();
});
addEventListener('pagehide', leaveTurn);

/**
 * Says to the other windows that this one opens its stream.
 * @param {() => void} lost called when so many others opened theirs that this one has to go.
 */
export function takeTurn(lost) {
  later.clear();
  onLost = lost;
  since = Date.now();
  channel.postMessage({ id: me, at: since });
}

/** Says to the other windows that this one's stream has ended. */
export function leaveTurn() {
  onLost = () => {};
  channel.postMessage({ id: me, at: 0 });
}
