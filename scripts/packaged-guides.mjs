/** The documents that lie on a box, by name. */
export const GUIDES = ['operating', 'configuration', 'errors', 'http', 'mqtt', 'sizing'];

/**
 * One of them as it lies in /usr/share/doc/retagger: the examples of `deploy/` are below `examples/`
 * there, and what is not on the box is no link.
 */
export const packaged = (text) =>
  text.replaceAll(/\[([^\]]*)\]\(([^)\s]+)\)/g, (link, words, target) => {
    if (target.startsWith('../deploy/'))
      return `[${words}](${target.replace('../deploy', 'examples')})`;
    const guide = /^(\w+)\.md(#.*)?$/.exec(target)?.[1];
    return target.startsWith('#') || target.includes('://') || GUIDES.includes(guide)
      ? link
      : words;
  });
