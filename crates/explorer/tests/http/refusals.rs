//! What is refused, and how it is told.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::client::{SERVER, base64, drawing};

fn image() -> Value {
    json!({"pixels": base64(&drawing())})
}

#[test]
fn requests_for_other_hosts_and_from_other_pages_are_refused() {
    let server = &*SERVER;
    let port = server.address.port();
    let local = format!("localhost:{port}");
    assert_eq!(server.send("GET", "/api/session", &[("host", &local)], &[]).answer().status, 200);
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "127.0.0.1:1".to_owned(), String::new()] {
        for path in ["/", "/api/session"] {
            let error = server.send("GET", path, &[("host", &host)], &[]).answer().refusal(403);
            assert!(error.contains(&format!("expected {}", server.address)), "{error}");
        }
    }
    let absolute = server.send_raw(server.head("GET", "http://evil.example/api/session", &[]).as_bytes());
    absolute.answer().refusal(403);
    let own = format!("http://{}", server.address);
    assert_eq!(server.send("GET", "/api/session", &[("origin", &own)], &[]).answer().status, 200);
    for origin in ["http://evil.example", "null", &format!("https://{}", server.address)] {
        server.send("GET", "/api/session", &[("origin", origin)], &[]).answer().refusal(403);
    }
    server.send("GET", "/api/session", &[("sec-fetch-site", "cross-site")], &[]).answer().refusal(403);
    assert_eq!(server.send("GET", "/", &[("sec-fetch-site", "cross-site")], &[]).answer().status, 200);
}

#[test]
fn questions_need_the_token_and_the_page_itself_does_not() {
    let server = &*SERVER;
    for token in ["", "x", &server.token[1..], &format!("{}0", server.token)] {
        let error = server.send("GET", "/api/session", &[("x-explorer-token", token)], &[]).answer().refusal(401);
        assert!(!error.contains(&server.token), "{error}");
    }
    let answer = server.send("GET", "/?token=wrong", &[("x-explorer-token", "")], &[]).answer();
    assert_eq!(answer.status, 200);
    for needed in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(answer.headers.to_lowercase().contains(needed), "{}", answer.headers);
    }
    assert!(!String::from_utf8_lossy(&answer.body).contains(&server.token));
}

#[test]
fn addresses_and_methods_that_there_are_not_are_told() {
    let server = &*SERVER;
    server.get("/api/nothing").refusal(404);
    server.get("/../../etc/passwd").refusal(404);
    server.get("/%2e%2e/Cargo.toml").refusal(404);
    server.get("/api/predict").refusal(405);
    server.send("DELETE", "/api/session", &[], &[]).answer().refusal(405);
    server.send("POST", "/", &[], b"x").answer().refusal(405);
    server.post("/api/download/secrets.txt", &json!({"image": image()})).refusal(404);
}

#[test]
fn bodies_that_are_no_questions_are_refused() {
    let server = &*SERVER;
    let plain = server.send("POST", "/api/predict", &[("content-type", "text/plain")], b"{}");
    plain.answer().refusal(415);
    for body in [
        json!({}),
        json!([]),
        json!({"image": image(), "extra": 1}),
        json!({"image": {}}),
        json!({"image": {"index": -1}}),
    ] {
        server.post("/api/predict", &body).refusal(400);
    }
    let broken = server.send("POST", "/api/predict", &[("content-type", "application/json")], b"{\"image\": ");
    broken.answer().refusal(400);
    let both = json!({"image": {"index": 1, "pixels": ""}});
    server.post("/api/predict", &both).refusal(400);
    let deep = "[".repeat(100_000);
    let deep = server.send("POST", "/api/predict", &[("content-type", "application/json")], deep.as_bytes()).answer();
    assert!([400, 413].contains(&deep.status), "{}", deep.status);
}

#[test]
fn values_that_do_not_fit_are_refused_by_name() {
    let server = &*SERVER;
    let short = json!({"image": {"pixels": base64(&[0; 783])}});
    assert_eq!(server.post("/api/predict", &short).refusal(422), "the pixels of the image are 783 bytes, expected 784");
    server.post("/api/predict", &json!({"image": {"pixels": "!"}})).refusal(400);
    let error = server.post("/api/predict", &json!({"image": {"index": 30}})).refusal(422);
    assert!(error.contains("there is no image 30") && error.contains("30 images, 0 to 29"), "{error}");
    let named = json!({"image": {"pixels": base64(&drawing()), "name": "../x"}});
    server.post("/api/predict", &named).refusal(422);

    let explain = |change: Value| {
        let mut body = json!({"image": image(), "method": "lime"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        server.post("/api/explain", &body).refusal(422)
    };
    let error = explain(json!({"method": "lyme"}));
    assert!(error.contains("did you mean lime?"), "{error}");
    assert_eq!(explain(json!({"target": 10})), "target is 10, expected 0 to 9");
    assert!(explain(json!({"target": 1, "against": 1})).contains("the same class"));
    let error = explain(json!({"settings": {"lime.sample": 5}}));
    assert!(error.contains("did you mean `explain.lime.samples`?"), "{error}");
    let error = explain(json!({"settings": {"lime.samples": 100_000_000}}));
    assert!(error.starts_with("explain.lime.samples is 100000000, expected "), "{error}");
    let error = explain(json!({"settings": {"segmentation.kind": "circles"}}));
    assert!(error.contains("circles"), "{error}");
    assert!(explain(json!({"settings": {"run.seed": 1}})).contains("of no method"));
    assert!(explain(json!({"settings": {"images.random": 1}})).contains("of no method"));
    let many: serde_json::Map<String, Value> = (0..100).map(|key| (format!("lime.k{key}"), json!(1))).collect();
    assert_eq!(explain(json!({"settings": many})), "there are 100 settings, expected at most 64");
}

#[test]
fn ten_thousand_segments_are_refused() {
    let server = &*SERVER;
    for settings in [
        json!({"segmentation.grid.rows": 100, "segmentation.grid.columns": 100}),
        json!({"segmentation.kind": "slic", "segmentation.slic.segments": 10_000}),
    ] {
        let error = server.post("/api/segments", &json!({"image": image(), "settings": settings})).refusal(422);
        assert!(error.contains("explain.segmentation"), "{error}");
        let body = json!({"image": image(), "method": "kernel-shap", "settings": settings});
        server.post("/api/explain", &body).refusal(422);
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = &*SERVER;
    let limit = server.get("/api/session").ok()["limits"]["json_bytes"].as_u64().unwrap();
    let headers = [("content-type", "application/json"), ("content-length", "99999999999")];
    let error = server.send_raw(server.head("POST", "/api/predict", &headers).as_bytes()).answer().refusal(413);
    assert_eq!(error, format!("the body has 99999999999 bytes, expected at most {limit}"));
    let headers = [("content-length", "33554433")];
    server.send_raw(server.head("POST", "/api/prepare", &headers).as_bytes()).answer().refusal(413);

    // one whose length nobody says, which goes on until it is refused
    let headers = [("content-type", "application/json"), ("transfer-encoding", "chunked")];
    let mut stream = server.connect();
    stream.write_all(server.head("POST", "/api/predict", &headers).as_bytes()).unwrap();
    let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 100 << 20 && stream.write_all(&chunk).is_ok() {
        sent += chunk.len() as u64;
    }
    assert!(sent < limit + (16 << 20), "{sent} bytes were taken");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    // the connection may be reset before the answer is read
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_body_that_never_ends_is_refused_and_holds_up_nobody() {
    let server = &*SERVER;
    let headers = [("content-type", "application/json"), ("content-length", "1000")];
    let mut stuck = server.send_raw(server.head("POST", "/api/predict", &headers).as_bytes());
    // while it is waited for, everybody else is answered
    assert_eq!(server.post("/api/predict", &json!({"image": image()})).status, 200);
    let (status, _) = stuck.status();
    assert_eq!(status, 408);
}

#[test]
fn photographs_that_are_none_are_refused() {
    let server = &*SERVER;
    let prepare = |query: &str, body: &[u8]| server.send("POST", &format!("/api/prepare{query}"), &[], body).answer();
    assert!(prepare("", b"hello").refusal(422).contains("is not an image, expected PNG or JPEG"));
    assert!(prepare("", &[]).refusal(422).contains("is an empty file"));
    let error = prepare("", &huge_png(20_000, 10_000)).refusal(422);
    assert!(error.contains("has 20000×10000 pixels, expected at most 67108864"), "{error}");
    for query in ["?turns=4", "?crop=0,0,2,1", "?name=.."] {
        prepare(query, b"x").refusal(422);
    }
    for query in ["?turns=x", "?invert=perhaps", "?else=1"] {
        prepare(query, b"x").refusal(400);
    }
}

/// The head of a PNG file that says it is this large.
fn huge_png(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&header);
    png.extend(crc(&header).to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn pages_and_strokes_are_names_and_numbers() {
    let server = &*SERVER;
    for header in [("x-explorer-client", "a b"), ("x-explorer-stroke", "one")] {
        server.send("GET", "/api/session", &[header], &[]).answer().refusal(400);
    }
    let at = |stroke: &str| {
        server
            .send("GET", "/api/session", &[("x-explorer-client", "late"), ("x-explorer-stroke", stroke)], &[])
            .answer()
    };
    assert_eq!(at("5").status, 200);
    at("4").refusal(409);
    assert_eq!(at("5").status, 200);
}
