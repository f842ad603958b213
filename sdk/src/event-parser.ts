/**
 * Takes the text of a `text/event-stream` in pieces of any size and calls back for every complete event that has data.
 * What the stream did not finish is never handed out. (HTML Living Standard, 9.2.6; `retry` is ignored.)
 */
export const eventParser = (onEvent: (type: string, data: string) => void): ((text: string) => void) => {
  /** The beginning of a line whose end has not come yet; only ever appended to, so that a large event costs its size once. */
  let rest = '';
  /** The last piece ended in CR: an LF at the start of the next one belongs to it. */
  let afterCr = false;
  let type = '';
  let data: string | undefined;

  const takeLine = (line: string): void => {
    if (line === '') {
      if (data !== undefined) onEvent(type, data);
      type = '';
      data = undefined;
      return;
    }
    const [, field, value = ''] = /^(event|data)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') type = value;
    else if (field) data = data === undefined ? value : `${data}\n${value}`;
  };

  return (text) => {
    if (text === '') return;
    const lines = (afterCr && text[0] === '\n' ? text.slice(1) : text).split(/\r\n?|\n/);
    afterCr = text.endsWith('\r');
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? '';
    lines.forEach(takeLine);
  };
};
