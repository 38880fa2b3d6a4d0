// The page of one box. No build step, no outside resources; all text goes in as text, never as HTML.

const $ = (id) => document.getElementById(id);
const AT_ONCE = 2;
const FEED_ROWS = 20;
const RETRY_MS = 3000;

const percent = (score) => `${Math.round(score * 100)} %`;
const el = (name, text = '', className = '') => {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  return node;
};

// ---- Access token: kept for this tab only.

async function call(path, options = {}) {
  const token = sessionStorage.getItem('token');
  const headers = { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) {
    $('token-form').hidden = false;
    $('token').focus();
  }
  return response;
}

$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', $('token').value);
  location.reload();
});

// ---- Photos the person chooses: two at a time, so that a hundred do not fill the box's queue.

const waiting = [];
let running = 0;

function add(files) {
  for (const file of files) {
    const item = $('photo-template').content.firstElementChild.cloneNode(true);
    const image = item.querySelector('img');
    item.querySelector('.name').textContent = file.name;
    image.addEventListener('load', () => URL.revokeObjectURL(image.src), { once: true });
    // Browsers that cannot show HEIC or TIFF get an empty tile; the tag comes all the same.
    image.addEventListener('error', () => image.classList.add('none'), { once: true });
    image.src = URL.createObjectURL(file);
    $('photos-list').prepend(item);
    waiting.push({ file, item });
  }
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length > 0) {
    running += 1;
    upload(waiting.shift()).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function upload({ file, item }) {
  const tag = item.querySelector('.tag');
  tag.textContent = 'tagging …';
  try {
    const result = await tagPhoto(file);
    tag.textContent = result.tag ? `${result.tag}, ${percent(result.score)}` : 'not sure';
    showScores(item.querySelector('.bars'), result.scores);
    $('announcer').textContent = `${file.name}: ${result.tag ?? 'not sure'}`;
  } catch (error) {
    tag.textContent = error.message;
    tag.classList.add('bad');
    $('announcer').textContent = `${file.name}: ${error.message}`;
  }
}

async function tagPhoto(file, tries = 20) {
  const body = new FormData();
  body.append('image', file);
  const headers = { accept: 'application/vnd.retagger.result+json' };
  const response = await call('/re-tagger', { method: 'POST', body, headers }).catch(() => {
    throw new Error('The box does not answer.');
  });
  if (response.status === 503 && tries > 1) {
    const seconds = Number(response.headers.get('retry-after') ?? 2);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    return tagPhoto(file, tries - 1);
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

function showScores(list, scores) {
  const best = Math.max(...Object.values(scores));
  for (const [label, score] of Object.entries(scores)) {
    const line = el('li', '', score === best ? 'best' : '');
    const meter = el('meter');
    meter.value = score;
    meter.ariaLabel = label;
    line.append(el('span', label), meter, el('span', percent(score)));
    list.append(line);
  }
}

$('photos').addEventListener('change', (event) => {
  add(event.target.files);
  event.target.value = '';
});
for (const name of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  addEventListener(name, (event) => {
    event.preventDefault();
    $('drop').classList.toggle('over', name === 'dragenter' || name === 'dragover');
    if (name === 'drop') add([...event.dataTransfer.files]);
  });
}

// ---- What the box tags: last results, then live.

const counts = new Map();

function show({ at, ok, result, failure }) {
  const { source, file } = result ?? failure;
  const row = el('tr');
  const tag = ok
    ? result.tag
      ? `${result.tag} ${percent(result.score)}`
      : 'not sure'
    : failure.code;
  const name = el('td', file ?? '–');
  name.title = file ?? '';
  row.append(
    el('td', new Date(at).toLocaleTimeString()),
    el('td', source),
    name,
    el('td', tag, ok ? '' : 'bad'),
  );
  const feed = $('feed');
  if (counts.size === 0) feed.replaceChildren();
  feed.prepend(row);
  while (feed.children.length > FEED_ROWS) feed.lastChild.remove();
  const key = ok ? (result.tag ?? 'not sure') : 'failed';
  counts.set(key, (counts.get(key) ?? 0) + 1);
  $('counts').replaceChildren(
    ...[...counts].sort().map(([label, count]) => {
      const item = el('li', label);
      item.append(el('b', String(count)));
      return item;
    }),
  );
}

async function loadLast() {
  const { info, results } = await (await call('/results')).json();
  $('model').textContent = info ? `${info.model} on ${info.engine}` : 'the model is loading';
  $('feed').replaceChildren(...(results.length ? [] : $('feed').children));
  counts.clear();
  for (const item of results.reverse()) show(item);
}

// fetch instead of EventSource: only fetch can send the token.
async function follow() {
  const response = await call('/events');
  if (!response.ok) throw new Error('no events');
  await loadLast();
  $('live-state').textContent = '· live';
  let text = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data) show(JSON.parse(data));
    }
  }
}

async function followForever() {
  for (;;) {
    await follow().catch(() => {});
    $('live-state').textContent = '· connecting …';
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function watchHealth() {
  for (;;) {
    const health = await fetch('/readyz')
      .then((response) => response.json())
      .catch(() => ({ box: { ok: false, detail: 'does not answer' } }));
    $('health').replaceChildren(
      ...Object.entries(health).map(([name, { ok, detail }]) => {
        const item = el('li', name === 'queue' && ok ? `queue: ${detail}` : name, ok ? '' : 'bad');
        item.title = detail;
        item.ariaLabel = `${name}: ${ok ? 'good' : 'not good'}, ${detail}`;
        return item;
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

followForever();
watchHealth();
