// What the server has refused, until it is said again or given up; a reload does not forget it.
import { LocalStore } from "../../goim.js";
import { Signal } from "../core/signal.js";

export class Refused {
  #kept = new LocalStore("goim.refused");
  all = this.#kept.load() ?? []; // {data, error: {code, message}}
  changed = new Signal(0);

  add(data, { code, message }) {
    this.#set([...this.all, { data, error: { code, message } }]);
  }

  remove(clientMsgId) {
    this.#set(this.all.filter(({ data }) => data.clientMsgId !== clientMsgId));
  }

  clear() {
    this.#set([]);
  }

  of = (conv) => this.all.filter(({ data }) => isSaidIn(conv, data));

  #set(all) {
    this.all = all;
    this.#kept.save(all.length ? all : null);
    this.changed.poke();
  }
}

/** Whether what somebody says belongs into a conversation. */
export const isSaidIn = ({ convId, peerId, groupId }, data) => data.convId === convId || (data.to ?? data.groupId ?? "-") === (peerId ?? groupId);
