// Two documents of the web client's own libraries (yjs, y-websocket) at one hub: what one writes, the other reads, and both hear that it is
// durable. Arguments: web folder, hub, code, cookie. Prints one line of JSON.
import { pathToFileURL } from "node:url";

const [web, hub, code, cookie] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(`${web}/node_modules/${file}`).href);
const { WebsocketProvider } = await load("y-websocket/src/y-websocket.js");
const Y = await load("yjs/dist/yjs.mjs");

class Socket extends WebSocket {
  constructor(url) {
    super(url, { headers: { cookie, origin: hub } });
  }
}

function person(name) {
  const doc = new Y.Doc();
  const provider = new WebsocketProvider(`${hub.replace("http", "ws")}/api/v1/meetings/${code}/minutes/sync`, code, doc, {
    WebSocketPolyfill: Socket,
    disableBc: true,
  });
  let durable = 0;
  provider.messageHandlers[100] = (_encoder, decoder) => {
    durable = decoder.arr[decoder.pos++];
  };
  provider.awareness.setLocalStateField("user", { name, color: "#0b5cad" });
  return { doc, provider, text: () => doc.getXmlFragment("default").toString(), durable: () => durable };
}

async function until(condition, what) {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function write(doc, words) {
  doc.transact(() => {
    const paragraph = new Y.XmlElement("paragraph");
    paragraph.insert(0, [new Y.XmlText(words)]);
    doc.getXmlFragment("default").push([paragraph]);
  });
}

const ada = person("somebody else's name");
const bob = person("Bob");
await until(() => ada.provider.synced && bob.provider.synced, "both in step");
write(ada.doc, "from the first, née 🙂");
await until(() => bob.text().includes("née 🙂"), "the second reads the first");
write(bob.doc, "from the second");
await until(() => ada.text().includes("from the second"), "the first reads the second");
await until(() => ada.durable() === 2 && bob.durable() === 2, "both acknowledged");
await until(() => bob.provider.awareness.getStates().size === 2, "the other's caret");
const names = [...bob.provider.awareness.getStates().entries()].filter(([id]) => id !== bob.doc.clientID).map(([, state]) => state.user.name);
console.log(JSON.stringify({ ada: ada.text(), bob: bob.text(), names }));
process.exit(0);
