// What each change of the protocol makes of a message.

/** Of what was to disappear once read, only what did is shown as that. */
export const recalled = ({ reason } = {}) => (message) => ({
  ...message,
  recalled: true,
  payload: null,
  reactions: undefined,
  burnAfterRead: reason === "burned" || undefined,
});

/** Without a payload: the message is gone by now, which a later change or its own time says. */
export const edited = ({ payload, editedAt }) => (message) => (payload ? { ...message, payload, editedAt } : message);

/** A server of the operator's has put something else in the place of what was said here. */
export const replaced = ({ payload }) => (message) => (message.recalled ? message : { ...message, payload });

export function reacted({ userId, emoji, removed }) {
  return (message) => {
    const others = (message.reactions ?? []).map((each) =>
      each.emoji === emoji ? { ...each, userIds: each.userIds.filter((id) => id !== userId) } : each,
    );
    if (!removed) {
      const same = others.find((each) => each.emoji === emoji);
      if (same) same.userIds.push(userId);
      else others.push({ emoji, userIds: [userId] });
    }
    return { ...message, reactions: others.filter(({ userIds }) => userIds.length) };
  };
}

export const grown = ({ index, delta }) => (message) =>
  (message.streamIndex ?? 0) >= index || message.streamStatus !== "streaming"
    ? message
    : { ...message, streamIndex: index, payload: { ...message.payload, text: (message.payload?.text ?? "") + delta } };

export const regrown = ({ payload, streamIndex }) => (message) =>
  (message.streamIndex ?? 0) >= streamIndex ? message : { ...message, payload, streamIndex };

export const ended = ({ text, streamStatus }) => (message) =>
  message.recalled ? message : { ...message, streamStatus, payload: { ...message.payload, text } };
