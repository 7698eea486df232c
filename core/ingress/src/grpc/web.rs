// SPDX-License-Identifier: Apache-2.0
//! gRPC-Web as browsers and proxies send it: types of content in any spelling, and text in pieces that are each padded.

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body as GrpcBody;

use crate::grpc::essence;

const TEXT: &str = "application/grpc-web-text";

/// Whether a request speaks gRPC-Web, in its binary or its text form.
pub(crate) fn is_web(headers: &HeaderMap) -> bool {
    form(headers).is_some()
}

/// Whether the form is text.
fn form(headers: &HeaderMap) -> Option<bool> {
    match &*essence(headers) {
        "application/grpc-web" | "application/grpc-web+proto" => Some(false),
        "application/grpc-web-text" | "application/grpc-web-text+proto" => Some(true),
        _ => None,
    }
}

/// The same request in the binary form, with types of content as tonic-web knows them. It would take text, but not after
/// padding.
pub(crate) fn plain(mut request: Request<GrpcBody>) -> Request<GrpcBody> {
    let is_text = form(request.headers()) == Some(true);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web+proto"));
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_text =
        accepts.and_then(|accept| accept.get(..TEXT.len())).is_some_and(|kind| kind.eq_ignore_ascii_case(TEXT));
    if wants_text {
        headers.insert(ACCEPT, HeaderValue::from_static(TEXT));
    }
    if !is_text {
        return request;
    }
    headers.remove(CONTENT_LENGTH);
    request.map(|body| GrpcBody::new(Decoded { body, rest: BytesMut::new(), over: false }))
}

/// A body in base64, decoded group by group.
struct Decoded {
    body: GrpcBody,
    /// Less than a group.
    rest: BytesMut,
    over: bool,
}

impl Decoded {
    /// What whole groups hold; the rest waits.
    fn take(&mut self, text: &[u8]) -> Result<Bytes, Status> {
        self.rest.extend_from_slice(text);
        let whole = self.rest.split_to(self.rest.len() / 4 * 4);
        let mut decoded = Vec::with_capacity(whole.len() / 4 * 3);
        // Padding ends a piece: the groups behind it are another one.
        for piece in whole.chunks(4).collect::<Vec<_>>().chunk_by(|group, _| !group.contains(&b'=')) {
            STANDARD.decode_vec(piece.concat(), &mut decoded).map_err(|_| broken())?;
        }
        Ok(decoded.into())
    }
}

fn broken() -> Status {
    Status::invalid_argument("the body is no base64")
}

impl Body for Decoded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
            let taken = match frame {
                Some(Ok(frame)) => frame.into_data().map_or(Ok(Bytes::new()), |text| self.take(&text)),
                Some(Err(status)) => Err(status),
                None if self.rest.is_empty() => return Poll::Ready(None),
                None => Err(broken()),
            };
            match taken {
                // Nothing whole yet.
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(status) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};

    #[test]
    fn two_forms_are_spoken_in_any_spelling() {
        let form = |kind: &str| form(&HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().expect("a value"))]));
        for kind in ["", "+proto", "+proto; charset=utf-8", " ; a=b"] {
            assert_eq!(form(&format!("application/grpc-web{kind}")), Some(false), "{kind}");
        }
        for kind in ["-text", "-text+proto", "-TEXT+Proto;charset=utf-8"] {
            assert_eq!(form(&format!("Application/grpc-web{kind}")), Some(true), "{kind}");
        }
        for kind in ["-text-text", "-text-text+proto", "+json", "-texts"] {
            assert_eq!(form(&format!("application/grpc-web{kind}")), None, "{kind}");
        }
    }

    async fn decoded(text: &'static str) -> Result<Bytes, Status> {
        let body = GrpcBody::new(Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}));
        let body = Decoded { body, rest: BytesMut::new(), over: false };
        body.collect().await.map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn pieces_are_padded_each_by_itself() {
        assert_eq!(decoded("YWI=Y2RlZg==Z2hp").await.expect("decoded"), "abcdefghi");
        assert_eq!(decoded("").await.expect("nothing"), "");
        for broken in ["YWI", "YW=I", "Y", "????", "YWI=="] {
            assert_eq!(decoded(broken).await.expect_err(broken).code(), tonic::Code::InvalidArgument);
        }
    }
}
