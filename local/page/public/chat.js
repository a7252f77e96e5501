import { element, userClass } from './dom.js'

const KEPT_MESSAGES = 100
const RETRY_MS = [200, 3000]

/** One user: a WebSocket to the balancer that comes back by itself, and what was written. */
export class Chat {
  #name
  #chatters
  #socket
  #url
  #where
  #messages
  #send
  #retries = 0
  #state

  constructor(name, others, colour, chatters) {
    this.#name = name
    this.#chatters = chatters
    this.#where = element('p', { class: 'where', role: 'status' }, 'connecting …')
    this.#messages = element('ol', { class: 'messages', 'aria-label': `Messages of ${name}` })
    const recipient = element('select', { 'aria-label': `Recipient of ${name}'s message` })
    for (const other of others) recipient.append(element('option', { value: other }, other))
    const text = element('input', {
      'aria-label': `${name}'s message`,
      maxlength: '500',
      autocomplete: 'off',
      placeholder: 'Message',
    })
    this.#send = element('button', { type: 'submit' }, 'Send')
    const form = element('form', {}, recipient, text, this.#send)
    form.addEventListener('submit', event => {
      event.preventDefault()
      if (text.value === '' || this.#socket?.readyState !== WebSocket.OPEN) return
      this.#socket.send(JSON.stringify({ recipientId: recipient.value, from: name, text: text.value }))
      this.#add(`to ${recipient.value}`, text.value, name, true)
      text.value = ''
    })
    this.root = element(
      'article',
      { class: `chat ${colour}`, 'aria-label': `Chat of ${name}` },
      element('h3', {}, name),
      this.#where,
      this.#messages,
      form,
    )
    this.#show('lost', 'connecting …')
  }

  /** What the demo knows of where this user is. */
  update(state) {
    const { balancer, users } = state
    this.#state = state
    if (!this.#url && balancer) {
      // The host as this page was reached, so that a forwarded port works too.
      this.#url = `ws://${location.hostname}:${new URL(balancer.url).port}/?user=${encodeURIComponent(this.#name)}`
      this.#connect()
    }
    if (this.#socket?.readyState !== WebSocket.OPEN) return
    const here = users.filter(({ name }) => name === this.#name)
    const moved = here.find(({ pod, owner }) => pod !== owner)
    // The balancer moves a user behind the open connection; there is nothing to do here.
    if (moved) this.#show('open', `on ${moved.pod}, belongs to ${moved.owner} now`)
    else if (here[0]) this.#show('open', `on ${here[0].pod}`)
  }

  #connect() {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('open', () => {
      this.#retries = 0
      this.#show('open', 'connected')
      // The demo may have said where before the browser said that it is connected.
      this.update(this.#state)
    })
    socket.addEventListener('message', ({ data }) => {
      try {
        const { from, text } = JSON.parse(data)
        this.#add(String(from), String(text), String(from), false)
      } catch {
        this.#add('unreadable message', String(data), '', false)
      }
    })
    socket.addEventListener('close', ({ code }) => {
      const [first, longest] = RETRY_MS
      const delay = Math.min(longest, first * 2 ** this.#retries++)
      this.#show('lost', `connection ended (${code}); connecting again …`)
      setTimeout(() => this.#connect(), delay)
    })
  }

  #show(connection, text) {
    this.root.dataset.connection = connection
    this.#send.disabled = connection !== 'open'
    if (this.#where.textContent !== text) this.#where.textContent = text
  }

  #add(title, text, colourOf, own) {
    const line = element(
      'li',
      { class: `${userClass(colourOf, this.#chatters)}${own ? ' own' : ''}` },
      element('small', {}, title),
      text,
    )
    this.#messages.append(line)
    while (this.#messages.children.length > KEPT_MESSAGES) this.#messages.firstChild.remove()
    this.#messages.scrollTop = this.#messages.scrollHeight
  }
}
