/** An element with attributes and children; text stays text, so nothing that users write is read as HTML. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}

/** The class that gives a user their colour. */
export const userClass = (name, chatters) => {
  const index = chatters.indexOf(name)
  return index < 0 || index > 2 ? 'user-other' : `user-${index}`
}
