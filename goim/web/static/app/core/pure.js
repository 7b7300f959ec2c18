// A view that is drawn again only when one of its properties is another.
import { Component } from "../../vendor/preact-htm.js";

export class Pure extends Component {
  shouldComponentUpdate(next) {
    const now = this.props;
    return Object.keys({ ...now, ...next }).some((name) => now[name] !== next[name]);
  }
}
