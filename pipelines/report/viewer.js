// A small WebGL 2 viewer: one object, one hand at a time on its way from pregrasp to lift. No library.
(() => {
  const data = JSON.parse(document.getElementById("solid-data").textContent);
  const box = document.getElementById("solid");
  const canvas = box.querySelector("canvas"), slider = box.querySelector("input"), label = box.querySelector("output");
  const gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
  if (!gl) { box.classList.add("flat"); return; }
  const STAGES = ["pregrasp", "grasp", "squeeze (servo targets)", "lift"], LIFT = Math.min(0.1, 0.25 * data.size);

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const program = build(
    `#version 300 es
     in vec3 a, b, na, nb; uniform float t, size, lift; uniform vec3 low; uniform mat4 view; out vec3 p, smooth_;
     void main() { smooth_ = mix(na, nb, t); p = low + size * mix(a, b, t) + vec3(0.0, lift, 0.0); gl_Position = view * vec4(p, 1.0); }`,
    `#version 300 es
     precision highp float; in vec3 p, smooth_; uniform vec3 rgb, eye; out vec4 color;
     void main() {
       vec3 face = cross(dFdx(p), dFdy(p)), v0 = smooth_;
       vec3 n = normalize(dot(v0, v0) > 0.01 ? v0 : face), v = normalize(eye - p);
       if (dot(n, v) < 0.0) n = -n;
       float light = 0.42 + 0.40 * max(0.0, dot(n, normalize(v + vec3(0.3, 0.8, 0.2)))) + 0.22 * max(0.0, n.y);
       color = vec4(rgb * light, 1.0);
     }`);
  const at = (name) => gl.getUniformLocation(program, name);
  const places = Object.fromEntries(["t", "size", "lift", "low", "view", "rgb", "eye"].map((n) => [n, at(n)]));
  const inputs = Object.fromEntries(["a", "b", "na", "nb"].map((n) => [n, gl.getAttribLocation(program, n)]));
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  gl.uniform1f(places.size, data.size);
  gl.uniform3fv(places.low, data.low);

  const solid = { points: points(data.object), normals: null, faces: faces(data.faces) };
  const skinFaces = new Uint32Array(bytes(data.handFaces)), handFaces = faces(data.handFaces), ready = new Map();
  const first = new Uint16Array(bytes(data.object)), center = [0, 1, 2].map((k) => {
    let least = 65535, most = 0;
    for (let i = k; i < first.length; i += 3) { least = Math.min(least, first[i]); most = Math.max(most, first[i]); }
    return data.low[k] + data.size * (least + most) / 131070;
  });
  const camera = { turn: 0.7, tilt: 0.35, far: 1.45 * data.size };
  let grasp = 0, playing = 0;

  function build(vertex, fragment) {
    const made = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source.trim());
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    return made;
  }
  function points(text) {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, bytes(text), gl.STATIC_DRAW);
    return buffer;
  }
  function faces(text) {
    const buffer = gl.createBuffer(), content = bytes(text);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, content, gl.STATIC_DRAW);
    return { buffer, count: content.byteLength / 4 };
  }
  function skin(text) {  // a hand is smooth: its vertices' normals are the sums of their faces'
    const at = new Uint16Array(bytes(text)), normal = new Float32Array(at.length);
    const corner = (i) => [at[3 * i], at[3 * i + 1], at[3 * i + 2]];
    for (let f = 0; f < skinFaces.length; f += 3) {
      const [i, j, k] = skinFaces.subarray(f, f + 3), p = corner(i), less = (q) => q.map((x, c) => x - p[c]);
      const n = cross(less(corner(j)), less(corner(k)));
      for (const v of [i, j, k]) for (let c = 0; c < 3; c++) normal[3 * v + c] += n[c];
    }
    for (let i = 0; i < normal.length; i += 3) {
      const long = Math.hypot(...normal.subarray(i, i + 3)) || 1;
      for (let c = 0; c < 3; c++) normal[i + c] /= long;
    }
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, normal, gl.STATIC_DRAW);
    return { points: points(text), normals: buffer };
  }
  function use(from, to, t, triangles, rgb, start, count) {
    for (const [place, buffer] of [[inputs.a, from.points], [inputs.b, to.points]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, gl.UNSIGNED_SHORT, true, 6, 0);
    }
    for (const [place, buffer] of [[inputs.na, from.normals], [inputs.nb, to.normals]]) {
      if (buffer === null) {
        gl.disableVertexAttribArray(place);
        gl.vertexAttrib3f(place, 0, 0, 0);
        continue;
      }
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 12, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, triangles.buffer);
    gl.uniform1f(places.t, t);
    gl.uniform3fv(places.rgb, rgb);
    gl.drawElements(gl.TRIANGLES, count, gl.UNSIGNED_INT, 4 * start);
  }
  function look(eye, wide) {  // perspective times look-at, column by column
    const narrow = Math.min(1, 1.15 * wide), back = unit([0, 1, 2].map((k) => eye[k] - center[k])), right = unit(cross([0, 1, 0], back));
    const up = cross(back, right), f = 3.2 * narrow, near = 0.01, far = 10, a = (far + near) / (near - far);
    const row = (v, s) => [v[0] * s, v[1] * s, v[2] * s, -s * dot(v, eye)];
    const x = row(right, f / wide), y = row(up, f), w = row(back, -1), z = row(back, a);
    z[3] += 2 * far * near / (near - far);
    return [0, 1, 2, 3].flatMap((k) => [x[k], y[k], z[k], w[k]]);
  }
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (v) => v.map((x) => x / Math.hypot(...v));

  function draw() {
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = canvas.clientWidth * scale; canvas.height = canvas.clientHeight * scale;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const [turn, tilt, far] = [camera.turn, camera.tilt, camera.far];
    const eye = [Math.sin(turn) * Math.cos(tilt), Math.sin(tilt), Math.cos(turn) * Math.cos(tilt)]
      .map((x, k) => center[k] + far * x);
    gl.uniformMatrix4fv(places.view, false, look(eye, canvas.width / canvas.height));
    gl.uniform3fv(places.eye, eye);
    const time = Number(slider.value), stage = Math.min(Math.floor(time), 1), part = Math.min(time, 2) - stage;
    gl.uniform1f(places.lift, LIFT * Math.max(0, time - 2));
    let start = 0;
    for (const [count, ...rgb] of data.runs) {
      use(solid, solid, 0, solid.faces, rgb, start, 3 * count);
      start += 3 * count;
    }
    if (!ready.has(grasp)) ready.set(grasp, data.hands[grasp].map(skin));
    const way = ready.get(grasp);
    use(way[stage], way[stage + 1], part, handFaces, [0.90, 0.69, 0.56], 0, handFaces.count);
    label.textContent = `${data.captions[grasp]} · ${STAGES[Math.round(time)]}`;
  }
  function go(step) { grasp = (grasp + step + data.hands.length) % data.hands.length; draw(); }
  function play() {
    cancelAnimationFrame(playing);
    const start = performance.now();
    const step = (now) => {
      slider.value = Math.min(3, (now - start) / 1200);
      draw();
      if (slider.value < 3) playing = requestAnimationFrame(step);
    };
    playing = requestAnimationFrame(step);
  }
  const act = { last: () => go(-1), next: () => go(1), play, near: () => zoom(0.85), far: () => zoom(1.18) };
  function zoom(by) { camera.far = Math.min(Math.max(camera.far * by, 0.4 * data.size), 6 * data.size); draw(); }
  for (const button of box.querySelectorAll("button")) button.onclick = act[button.name];
  slider.oninput = draw;
  box.onkeydown = (e) => {
    const does = { ArrowRight: act.next, ArrowLeft: act.last, " ": act.play, "+": act.near, "-": act.far }[e.key];
    if (does && e.target === canvas) { does(); e.preventDefault(); }
  };
  canvas.onpointerdown = (e) => canvas.setPointerCapture(e.pointerId);
  canvas.onpointermove = (e) => {
    if (!e.buttons) return;
    camera.turn -= e.movementX / 130;
    camera.tilt = Math.min(1.5, Math.max(-1.5, camera.tilt + e.movementY / 130));
    draw();
  };
  canvas.addEventListener("wheel", (e) => {  // a plain wheel scrolls the page
    if (e.ctrlKey || e.shiftKey) { zoom(e.deltaY + e.deltaX > 0 ? 1.1 : 0.9); e.preventDefault(); }
  }, { passive: false });
  new ResizeObserver(draw).observe(canvas);
  draw();
})();
